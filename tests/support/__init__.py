"""What tests share: real engines, free ports, public sets beside the checkout."""
