"""The general agents: their YAML files, and the tools and rules that need nothing above this floor."""
