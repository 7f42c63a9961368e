"""The tiles engine: all layers of a network on maps, tile of channels by tile of channels."""
