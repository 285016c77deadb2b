"""The demonstration city (演示数据): synthetic devices, residents and workers that use the platform as clients."""
