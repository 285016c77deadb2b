"""Made-up reports about made-up matters: what the weights of merging are fitted on."""
