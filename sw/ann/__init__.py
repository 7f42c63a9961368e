"""ANNs, networks of full precision with ReLU, and what they become as spiking networks with the
same real weights, simulated: ``sw.train_ann``, ``sw.convert --method``, ``sw.bench_conversion``.

``reading`` makes a graph of a module of PyTorch, ``methods`` has a file per way of coding values in
spikes, ``simulate`` runs one of them step by step. Nothing here becomes hardware.
"""
