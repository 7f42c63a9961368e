"""The gather engine: each unit collects the spikes of its inputs, step by step."""
