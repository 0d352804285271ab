"""From a full cart to a parcel on its way."""
