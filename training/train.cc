// The training driver in one process.

#include "training/train_program.h"

int main(int argc, char** argv) { return csc::RunTrainProgram(argc, argv, nullptr); }
