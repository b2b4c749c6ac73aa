# SPDX-License-Identifier: Apache-2.0
"""As much of the CUDA driver as one launch of literal PTX needs, by ctypes."""

import array
import ctypes

CAPABILITY_MAJOR, CAPABILITY_MINOR = 75, 76  # of CUdevice_attribute


class DriverError(Exception):
    pass


class Driver:
    """The first GPU of a driver: the system's, or the one in `path`."""

    def __init__(self, path=None):
        try:
            self.library = ctypes.CDLL(path or "libcuda.so.1")
        except OSError as error:
            raise DriverError(f"the CUDA driver cannot be loaded: {error}")
        self.call("cuInit", ctypes.c_uint(0))
        self.device = ctypes.c_int()
        self.call("cuDeviceGet", ctypes.byref(self.device), 0)
        context = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self.device)
        self.call("cuCtxSetCurrent", context)

    def call(self, name, *arguments):
        result = getattr(self.library, name)(*arguments)
        if result:
            text = ctypes.c_char_p()
            self.library.cuGetErrorName(result, ctypes.byref(text))
            raise DriverError(f"{name}: {(text.value or str(result).encode()).decode()}")

    def capability(self):
        """Ten times the compute capability."""
        value, digits = ctypes.c_int(), []
        for attribute in (CAPABILITY_MAJOR, CAPABILITY_MINOR):
            self.call("cuDeviceGetAttribute", ctypes.byref(value), attribute, self.device)
            digits.append(value.value)
        return 10 * digits[0] + digits[1]

    def upload(self, words):
        """The address of a copy of 32-bit words."""
        address, data = ctypes.c_uint64(), array.array("I", words)
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(4 * len(data)))
        self.call("cuMemcpyHtoD_v2", address, data.tobytes(), ctypes.c_size_t(4 * len(data)))
        return address

    def download(self, address, count):
        data = ctypes.create_string_buffer(4 * count)
        self.call("cuMemcpyDtoH_v2", data, address, ctypes.c_size_t(4 * count))
        return list(array.array("I", data.raw))

    def run(self, ptx, entry, threads, shared, words, results, value):
        """The words that one block of `entry`(in, out, value) leaves in `results` words, which are zero before."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("cuModuleLoadData", ctypes.byref(module), ptx.encode() + b"\0")
        self.call("cuModuleGetFunction", ctypes.byref(function), module, entry.encode())
        source, target = self.upload(words or [0]), self.upload([0] * results)
        values = (source, target, ctypes.c_uint32(value))
        parameters = (ctypes.c_void_p * len(values))(*(ctypes.addressof(item) for item in values))
        self.call("cuLaunchKernel", function, 1, 1, 1, threads, 1, 1, shared, None, parameters, None)
        self.call("cuCtxSynchronize")
        return self.download(target, results)
