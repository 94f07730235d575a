//! Calls on different streams that must be ordered and are not, which must show; and such that are.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::matrix::positive;
use common::{Gpu, apart, config};
use cudarc::cublas::sys::cublasOperation_t::CUBLAS_OP_N;
use cudarc::cublas::{CudaBlas, Gemm, GemmConfig};
use cudarc::cusolver::{safe::DnHandle, sys as solver};
use cudarc::driver::sys::CUstream;
use cudarc::driver::{
    CudaSlice, CudaStream, DevicePtr, DevicePtrMut, DeviceRepr, PushKernelArg, result,
};
use modality_emulator::EXIT_CODE;

/// Two streams that wait for nobody, 1 and 2 in the order of their creation, and a hundred zeros that the first has made.
struct Two {
    gpu: Gpu,
    first: Arc<CudaStream>,
    second: Arc<CudaStream>,
    data: CudaSlice<f32>,
}

fn two() -> Two {
    let gpu = Gpu::new();
    let context = gpu.stream.context();
    // SAFETY: whether the streams wait for each other is what is tested here.
    unsafe { context.disable_event_tracking() };
    let (first, second) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let data = first.alloc_zeros::<f32>(100).unwrap();
    Two { gpu, first, second, data }
}

impl Two {
    fn write_on(&mut self, stream: &Arc<CudaStream>) {
        let kernel = self.gpu.kernel("test_write");
        let mut launch = stream.launch_builder(&kernel);
        launch.arg(&mut self.data).arg(&7i64);
        // SAFETY: the arguments are those of the kernel.
        unsafe { launch.launch(config(1, 1, 0)) }.unwrap();
    }

    fn read_on(&self, stream: &Arc<CudaStream>) {
        let mut out = stream.alloc_zeros::<f32>(1).unwrap();
        let kernel = self.gpu.kernel("test_read");
        let mut launch = stream.launch_builder(&kernel);
        launch.arg(&self.data).arg(&7i64).arg(&mut out);
        // SAFETY: the arguments are those of the kernel.
        unsafe { launch.launch(config(1, 1, 0)) }.unwrap();
    }

    fn write(&mut self) {
        let first = self.first.clone();
        self.write_on(&first);
    }

    fn read(&self) {
        self.read_on(&self.second);
    }

    /// What the first stream has done so far comes before all that the second does from now on.
    fn second_waits(&self) {
        self.second.wait(&self.first.record_event(None).unwrap()).unwrap();
    }

    fn first_waits(&self) {
        self.first.wait(&self.second.record_event(None).unwrap()).unwrap();
    }

    /// C = A A for A = C = the data, of 10 x 10 entries.
    fn multiply(&mut self, handle: &CudaBlas, out: &mut CudaSlice<f32>) {
        let (transa, transb, size) = (CUBLAS_OP_N, CUBLAS_OP_N, 10);
        let [m, n, k, lda, ldb, ldc] = [size; 6];
        let config = GemmConfig { transa, transb, m, n, k, alpha: 1.0, lda, ldb, beta: 0.0, ldc };
        // SAFETY: matrices of these shapes.
        unsafe { handle.gemm(config, &self.data, &self.data, out) }.unwrap();
    }
}

/// The process of its own ends with exactly this sentence.
#[track_caller]
fn ends(test: &str, sentence: &str, work: impl FnOnce()) {
    let ended = apart(test, work);
    assert_eq!(ended.code, Some(EXIT_CODE), "{}", ended.said);
    let line = format!("emulated device: {sentence}");
    assert!(ended.said.lines().any(|said| said == line), "not said: {line}\n{}", ended.said);
}

#[track_caller]
fn passes(test: &str, work: impl FnOnce()) {
    let ended = apart(test, work);
    assert_eq!(ended.code, Some(0), "{}", ended.said);
}

#[test]
fn a_kernel_reads_too_early() {
    let sentence = "kernel test_read on stream 2 reads an allocation of 400 bytes in no order with kernel test_write on stream 1, which writes it";
    ends("a_kernel_reads_too_early", sentence, || {
        let mut two = two();
        two.second_waits();
        // Before the event it would be in order.
        two.read();
        two.first_waits();
        two.write();
        two.read();
    });
}

/// As the kernel's type of this name.
#[repr(C)]
#[derive(Clone, Copy)]
struct Source {
    index: u32,
    data: u64,
}
// SAFETY: plain numbers, laid out as the kernel's type.
unsafe impl DeviceRepr for Source {}

#[test]
fn a_kernel_reads_a_structure_too_early() {
    let sentence = "kernel test_read_from on stream 2 reads an allocation of 400 bytes in no order with kernel test_write on stream 1, which writes it";
    ends("a_kernel_reads_a_structure_too_early", sentence, || {
        let mut two = two();
        let source = Source { index: 3, data: two.data.device_ptr(&two.first).0 };
        let mut out = two.second.alloc_zeros::<f32>(1).unwrap();
        let mut read = |stream: &Arc<CudaStream>| {
            let kernel = two.gpu.kernel("test_read_from");
            let mut launch = stream.launch_builder(&kernel);
            launch.arg(&source).arg(&mut out);
            // SAFETY: the arguments are those of the kernel.
            unsafe { launch.launch(config(1, 1, 0)) }.unwrap();
        };
        two.second.wait(&two.first.record_event(None).unwrap()).unwrap();
        read(&two.second);
        two.first.wait(&two.second.record_event(None).unwrap()).unwrap();
        let kernel = two.gpu.kernel("test_write");
        let mut write = two.first.launch_builder(&kernel);
        write.arg(&mut two.data).arg(&7i64);
        // SAFETY: the arguments are those of the kernel.
        unsafe { write.launch(config(1, 1, 0)) }.unwrap();
        read(&two.second);
    });
}

#[test]
fn a_kernel_writes_too_early() {
    let sentence = "kernel test_write on stream 1 writes an allocation of 400 bytes in no order with kernel test_read on stream 2, which reads it";
    ends("a_kernel_writes_too_early", sentence, || {
        let mut two = two();
        two.second_waits();
        two.read();
        two.write();
    });
}

#[test]
fn memory_is_used_before_it_is_allocated() {
    let sentence = "cuMemsetD8 on stream 2 writes an allocation of 4 bytes in no order with cuMemAllocAsync on stream 1, which allocates it";
    ends("memory_is_used_before_it_is_allocated", sentence, || {
        let two = two();
        // SAFETY: it is filled before it is read.
        let mut fresh = unsafe { two.first.alloc::<f32>(1) }.unwrap();
        two.second.memset_zeros(&mut fresh).unwrap();
    });
}

#[test]
fn memory_is_freed_while_it_is_read() {
    let sentence = "cuMemFreeAsync on stream 1 frees an allocation of 400 bytes in no order with kernel test_read on stream 2, which reads it";
    ends("memory_is_freed_while_it_is_read", sentence, || {
        let two = two();
        two.second_waits();
        two.read();
        drop(two.data);
    });
}

#[test]
fn memory_is_freed_by_a_host_that_has_not_waited() {
    let sentence = "cuMemFree frees an allocation of 400 bytes before the host has waited for cuMemsetD8 on stream 1, which writes it";
    ends("memory_is_freed_by_a_host_that_has_not_waited", sentence, || {
        let two = two();
        let address = two.data.leak();
        // SAFETY: it is freed once.
        unsafe { result::free_sync(address) }.unwrap();
    });
}

#[test]
fn a_copy_reads_too_early() {
    let sentence = "cuMemcpyDtoD on stream 2 reads an allocation of 400 bytes in no order with kernel test_write on stream 1, which writes it";
    ends("a_copy_reads_too_early", sentence, || {
        let mut two = two();
        two.second_waits();
        two.write();
        let mut copy = two.second.alloc_zeros::<f32>(100).unwrap();
        two.second.memcpy_dtod(&two.data, &mut copy).unwrap();
    });
}

#[test]
fn a_copy_to_the_device_is_read_too_early() {
    let sentence = "kernel test_read on stream 2 reads an allocation of 400 bytes in no order with cuMemcpyHtoD on stream 1, which writes it";
    ends("a_copy_to_the_device_is_read_too_early", sentence, || {
        let mut two = two();
        two.second_waits();
        two.first.memcpy_htod(&[1.0; 100], &mut two.data).unwrap();
        two.read();
    });
}

#[test]
fn a_product_reads_too_early() {
    let sentence = "cublasSgemm_v2 on stream 2 reads an allocation of 400 bytes in no order with kernel test_write on stream 1, which writes it";
    ends("a_product_reads_too_early", sentence, || {
        let mut two = two();
        let mut handle = CudaBlas::new(two.first.clone()).unwrap();
        let mut out = two.first.alloc_zeros::<f32>(100).unwrap();
        two.write();
        two.multiply(&handle, &mut out);
        two.second_waits();
        // SAFETY: whether the streams wait for each other is what is tested here.
        unsafe { handle.set_stream(two.second.clone()) }.unwrap();
        two.multiply(&handle, &mut out);
        two.first_waits();
        two.write();
        two.multiply(&handle, &mut out);
    });
}

#[test]
fn a_kernel_writes_what_a_product_reads() {
    let sentence = "kernel test_write on stream 1 writes an allocation of 400 bytes in no order with cublasSgemm_v2 on stream 2, which reads it";
    ends("a_kernel_writes_what_a_product_reads", sentence, || {
        let mut two = two();
        let handle = CudaBlas::new(two.second.clone()).unwrap();
        let mut out = two.second.alloc_zeros::<f32>(100).unwrap();
        two.second_waits();
        two.multiply(&handle, &mut out);
        two.write();
    });
}

/// Cholesky's factorisation of the identity, of 10 x 10 entries, by a handle that was made for the first stream.
fn factorise_on_second(two: &Two, mut a: CudaSlice<f64>) {
    let handle = DnHandle::new(two.first.clone()).unwrap();
    let mut work = two.second.alloc_zeros::<f64>(10).unwrap();
    let mut info = two.second.alloc_zeros::<i32>(1).unwrap();
    let stream = two.second.cu_stream().cast();
    let at = a.device_ptr_mut(&two.first).0 as *mut f64;
    let at_work = work.device_ptr_mut(&two.second).0 as *mut f64;
    let at_info = info.device_ptr_mut(&two.second).0 as *mut i32;
    let lower = solver::cublasFillMode_t::CUBLAS_FILL_MODE_LOWER;
    // SAFETY: a matrix of this shape, and a workspace that is large enough.
    unsafe {
        solver::cusolverDnSetStream(handle.cu(), stream).result().unwrap();
        solver::cusolverDnDpotrf(handle.cu(), lower, 10, at, 10, at_work, 10, at_info)
    }
    .result()
    .unwrap();
    assert_eq!(two.second.clone_dtoh(&info).unwrap(), [0]);
}

#[test]
fn a_factorisation_begins_too_early() {
    let sentence = "cusolverDnDpotrf on stream 2 writes an allocation of 800 bytes in no order with cuMemcpyHtoD on stream 1, which writes it";
    ends("a_factorisation_begins_too_early", sentence, || {
        let two = two();
        let a = two.first.clone_htod(positive(10, 1).as_slice().unwrap()).unwrap();
        factorise_on_second(&two, a);
    });
}

#[test]
fn a_factorisation_waits() {
    passes("a_factorisation_waits", || {
        let two = two();
        let a = two.first.clone_htod(positive(10, 1).as_slice().unwrap()).unwrap();
        two.second_waits();
        factorise_on_second(&two, a);
    });
}

#[test]
fn an_event_was_recorded_too_early() {
    let sentence = "kernel test_read on stream 2 reads an allocation of 400 bytes in no order with kernel test_write on stream 1, which writes it";
    ends("an_event_was_recorded_too_early", sentence, || {
        let mut two = two();
        let event = two.first.record_event(None).unwrap();
        two.write();
        two.second.wait(&event).unwrap();
        two.read();
    });
}

#[test]
fn the_default_stream_does_not_wait_for_such_streams() {
    let sentence = "kernel test_read on the default stream reads an allocation of 400 bytes in no order with kernel test_write on stream 1, which writes it";
    ends("the_default_stream_does_not_wait_for_such_streams", sentence, || {
        let mut two = two();
        two.write();
        two.read_on(&two.gpu.stream);
    });
}

#[test]
fn a_stream_that_is_no_more_is_not_waited_for() {
    let sentence = "kernel test_read on stream 2 reads an allocation of 400 bytes in no order with kernel test_write on stream 3, which writes it";
    ends("a_stream_that_is_no_more_is_not_waited_for", sentence, || {
        let mut two = two();
        let third = two.gpu.stream.context().new_stream().unwrap();
        two.second_waits();
        third.wait(&two.first.record_event(None).unwrap()).unwrap();
        two.write_on(&third);
        drop(third);
        two.read();
    });
}

#[test]
fn ordered_work_passes() {
    passes("ordered_work_passes", || {
        let mut two = two();
        // Events, back and forth; readers need no order.
        two.second_waits();
        two.read();
        two.read_on(&two.first);
        two.read();
        two.first_waits();
        two.write();
        // By way of a third stream.
        let third = two.gpu.stream.context().new_stream().unwrap();
        third.wait(&two.first.record_event(None).unwrap()).unwrap();
        two.second.wait(&third.record_event(None).unwrap()).unwrap();
        two.read();
        // What was asked of a stream that is no more is waited for with all.
        third.wait(&two.second.record_event(None).unwrap()).unwrap();
        two.write_on(&third);
        drop(third);
        two.gpu.stream.context().synchronize().unwrap();
        two.write_on(&two.second.clone());
        // Waits of the host: for a stream, for an event, for all, in a copy.
        two.second.synchronize().unwrap();
        two.write();
        two.first.record_event(None).unwrap().synchronize().unwrap();
        two.read();
        two.gpu.stream.context().synchronize().unwrap();
        two.write();
        two.first.clone_dtoh(&two.data).unwrap();
        two.read();
        two.second.synchronize().unwrap();
        let address = two.data.leak();
        // SAFETY: it is freed once.
        unsafe { result::free_sync(address) }.unwrap();
    });
}

#[test]
fn the_default_stream_orders_those_that_are_blocking() {
    passes("the_default_stream_orders_those_that_are_blocking", || {
        let gpu = Gpu::new();
        let blocking =
            [(); 2].map(|()| result::stream::create(result::stream::StreamKind::Default).unwrap());
        let data = gpu.stream.alloc_zeros::<f32>(100).unwrap();
        let (at, _record) = data.device_ptr(&gpu.stream);
        let fill = |stream: CUstream| {
            // SAFETY: as many bytes are there.
            unsafe { result::memset_d8_async(at, 0, 400, stream) }.unwrap();
        };
        let default = gpu.stream.cu_stream();
        for stream in [blocking[0], default, blocking[1], default, blocking[0]] {
            fill(stream);
        }
        for stream in blocking {
            // SAFETY: a stream that nobody else has.
            unsafe { result::stream::destroy(stream) }.unwrap();
        }
        fill(default);
    });
}

#[test]
fn blocking_streams_do_not_order_each_other() {
    let sentence = "cuMemsetD8 on stream 2 writes an allocation of 400 bytes in no order with cuMemsetD8 on stream 1, which writes it";
    ends("blocking_streams_do_not_order_each_other", sentence, || {
        let gpu = Gpu::new();
        let data = gpu.stream.alloc_zeros::<f32>(100).unwrap();
        let (at, _record) = data.device_ptr(&gpu.stream);
        for _ in 0..2 {
            let stream = result::stream::create(result::stream::StreamKind::Default).unwrap();
            // SAFETY: as many bytes are there.
            unsafe { result::memset_d8_async(at, 0, 400, stream) }.unwrap();
        }
    });
}
