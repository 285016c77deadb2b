"""What every module stands on: settings, time, ids, errors, storage, the bus, the organisation and access."""
