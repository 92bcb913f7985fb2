// Arrays from MATLAB files of version 5 (what MATLAB saves without -v7.3),
// read by matio, with the checks that matio leaves to its callers.

#ifndef CSC_TRAINING_DATA_MAT_FILE_H_
#define CSC_TRAINING_DATA_MAT_FILE_H_

#include <matio.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace csc {

// Everything throws Error naming the file, what was found and what was expected.
class MatFile {
 public:
  // Reads what the file holds, not yet the arrays. Refuses what is no whole
  // file of this version.
  explicit MatFile(const std::string& path);

  // The elements of a real uint8 array of these sizes, 0 for any but 0, as in
  // {32, 32, 3, 0}. They come in MATLAB's order: the first index runs fastest.
  std::vector<uint8_t> ReadBytes(const std::string& name, const std::vector<int64_t>& sizes);

  // The same of an array of class double or uint8.
  std::vector<double> ReadNumbers(const std::string& name, const std::vector<int64_t>& sizes);

 private:
  struct Closer {
    void operator()(mat_t* file) const { Mat_Close(file); }
    void operator()(matvar_t* variable) const { Mat_VarFree(variable); }
  };
  struct Variable {
    std::unique_ptr<matvar_t, Closer> info;
    int64_t bytes;  // that it has in the file
  };

  // The sizes in bytes of the file's variables. Refuses a file cut off.
  std::vector<int64_t> Walk() const;
  const Variable& Find(const std::string& name) const;
  // The number of elements, after all checks; `expected` is for the message.
  int64_t Count(const Variable& variable, const std::vector<int64_t>& sizes, bool right_class,
                const char* expected) const;
  template <typename T>
  std::vector<T> Read(const Variable& variable, int64_t count);

  const std::string path_;
  std::unique_ptr<mat_t, Closer> file_;
  std::vector<Variable> variables_;
};

}  // namespace csc

#endif  // CSC_TRAINING_DATA_MAT_FILE_H_
