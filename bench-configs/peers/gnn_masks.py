"""What the GNN leaves out in training: a hash of seed, step, site and place says it, the same to every backend."""

import numpy as np
import torch
from torch.nn import functional

# Sites of a step: three of the input, then five of each layer.
BATCH, CELL_INPUT, GENE_INPUT = range(3)
TO_CELLS, TO_GENES, PATHWAYS, CELLS, GENES = range(5)
MOST_SITES = 64
WORD = 2**64 - 1


def site(layer, what):
    return 3 + 5 * layer + what


def mix(z):
    """The finaliser of SplitMix64."""
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB & WORD
    return z ^ z >> 31


def bits(places, key):
    """32 bits for each place, of which there may be 2^32."""
    x = places.astype(np.uint32) ^ np.uint32(key & 0xFFFFFFFF)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x += np.uint32(key >> 32)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def none(x, p, site, places=None):
    """Dropout as it is where nothing is learned."""
    return x


class Torch:
    """PyTorch's own dropout."""

    def begin(self, step):
        pass

    def __call__(self, x, p, site, places=None):
        return functional.dropout(x, p)


class Hashed:
    """Inverted dropout of a share `p`, by the `places` of the numbers in `x`: in their order if not given."""

    def __init__(self, seed):
        self.seed, self.step = seed, 0

    def begin(self, step):
        """The model's steps count from zero."""
        self.step = step

    def __call__(self, x, p, site, places=None):
        if p == 0:
            return x
        key = mix(self.seed + 0x9E3779B97F4A7C15 * (self.step * MOST_SITES + site + 1) & WORD)
        kept = bits(np.arange(x.numel(), dtype=np.uint32) if places is None else places, key) >= int(p * 2**32)
        factors = kept * np.float32(1 / (1 - p))
        return x * torch.from_numpy(factors).view_as(x)
