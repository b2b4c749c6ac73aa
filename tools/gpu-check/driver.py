# SPDX-License-Identifier: Apache-2.0
"""As much of the CUDA driver as launching literal PTX and timing it needs, by ctypes."""

import array
import ctypes

MULTIPROCESSORS, CAPABILITY_MAJOR, CAPABILITY_MINOR = 16, 75, 76  # of CUdevice_attribute


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

    def memory(self):
        """Bytes free and in all."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value, total.value

    def multiprocessors(self):
        value = ctypes.c_int()
        self.call("cuDeviceGetAttribute", ctypes.byref(value), MULTIPROCESSORS, self.device)
        return value.value

    def allocate(self, size):
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        return address

    def free(self, address):
        self.call("cuMemFree_v2", address)

    def load(self, ptx):
        """The entries of a module, by name."""
        module = ctypes.c_void_p()
        self.call("cuModuleLoadData", ctypes.byref(module), ptx.encode() + b"\0")

        def entry(name):
            function = ctypes.c_void_p()
            self.call("cuModuleGetFunction", ctypes.byref(function), module, name.encode())
            return function
        return entry

    def launch(self, function, blocks, threads, values, shared=0):
        """Asks for one launch, with ctypes values as parameters."""
        parameters = (ctypes.c_void_p * len(values))(*(ctypes.addressof(item) for item in values))
        self.call("cuLaunchKernel", function, blocks, 1, 1, threads, 1, 1, shared, None, parameters, None)

    def synchronize(self):
        self.call("cuCtxSynchronize")

    def seconds(self, work):
        """What the GPU takes for what `work` asks of it, between two events."""
        events = [ctypes.c_void_p(), ctypes.c_void_p()]
        for event in events:
            self.call("cuEventCreate", ctypes.byref(event), ctypes.c_uint(0))
        self.call("cuEventRecord", events[0], None)
        work()
        self.call("cuEventRecord", events[1], None)
        self.call("cuEventSynchronize", events[1])
        milliseconds = ctypes.c_float()
        self.call("cuEventElapsedTime", ctypes.byref(milliseconds), *events)
        for event in events:
            self.call("cuEventDestroy_v2", event)
        return milliseconds.value / 1e3

    def run(self, ptx, entry, threads, shared, words, results, value, blocks=1):
        """The words that `entry`(in, out, value) leaves in `results` words, which are zero before."""
        function = self.load(ptx)(entry)
        source, target = self.upload(words or [0]), self.upload([0] * results)
        self.launch(function, blocks, threads, (source, target, ctypes.c_uint32(value)), shared)
        self.synchronize()
        return self.download(target, results)
