// What ThreadSanitizer must not report: system libraries that are not built with it. libgomp's barriers are invisible to it,
// so what two threads of one OpenMP region exchange looks like a race; OpenCV's codecs bring in GDAL, whose start-up takes
// its locks in two orders. Linked into every test by csc_test under --config=tsan.

extern "C" const char* __tsan_default_suppressions();

extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:libgomp.so\n"
         "deadlock:libgdal.so\n"
         "race:libdnnl.so\n"
         "race:libgdal.so\n"
         "race:libgomp.so\n"
         "race:libopencv_core.so\n"
         "race:libtbb.so\n"
         "mutex:libtbb.so\n";
}
