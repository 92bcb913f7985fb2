// A library that has nothing to do with the engine.

extern "C" int Another() { return 1; }
