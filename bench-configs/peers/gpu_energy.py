"""The energy counter of an NVIDIA GPU, read from the driver's own library."""

import ctypes
import time
from contextlib import contextmanager


class EnergyCounter:
    """What a GPU took during the visits that it was asked for, by nvmlDeviceGetTotalEnergyConsumption."""

    def __init__(self, library, device):
        self.library, self.device = library, device
        self.joules = self.seconds = 0.0

    @classmethod
    def of(cls, pci_bus_id):
        """That of the GPU with this PCI address; none where driver or GPU do not count."""
        try:
            library = ctypes.CDLL("libnvidia-ml.so.1")
            device = ctypes.c_void_p()
            address = ctypes.c_char_p(pci_bus_id.encode())
            if library.nvmlInit_v2() or library.nvmlDeviceGetHandleByPciBusId_v2(address, ctypes.byref(device)):
                return None
            counter = cls(library, device)
            return counter if counter.read() is not None else None
        except (OSError, AttributeError):
            return None

    def read(self):
        """J since the driver was loaded."""
        millijoules = ctypes.c_ulonglong()
        failed = self.library.nvmlDeviceGetTotalEnergyConsumption(self.device, ctypes.byref(millijoules))
        return None if failed else millijoules.value / 1e3

    @contextmanager
    def during(self):
        before, start = self.read(), time.perf_counter()
        yield
        after = self.read()
        if before is not None and after is not None:
            self.joules += after - before
            self.seconds += time.perf_counter() - start
