"""The engines that the platform starts itself where the settings name no address of another."""
