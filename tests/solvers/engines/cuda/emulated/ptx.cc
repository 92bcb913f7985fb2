#include "tests/solvers/engines/cuda/emulated/ptx.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sstream>

namespace csc::test::ptx {

void Stop(const std::string& why) {
  std::fprintf(stderr, "emulated CUDA: %s\n", why.c_str());
  std::abort();
}

namespace {

struct NamedOp {
  Op op;
  int sources;
};

// Those whose operands are a result and sources, all registers or constants.
const std::map<std::string, NamedOp>& SimpleOps() {
  static const auto* ops = new std::map<std::string, NamedOp>{
      {"cvta", {Op::kMove, 1}},       {"add", {Op::kAdd, 2}},
      {"sub", {Op::kSubtract, 2}},    {"mul", {Op::kMultiply, 2}},
      {"mad", {Op::kMultiplyAdd, 3}}, {"fma", {Op::kMultiplyAdd, 3}},
      {"div", {Op::kDivide, 2}},      {"sqrt", {Op::kSquareRoot, 1}},
      {"rcp", {Op::kReciprocal, 1}},  {"neg", {Op::kNegate, 1}},
      {"abs", {Op::kAbsolute, 1}},    {"copysign", {Op::kCopySign, 2}},
      {"min", {Op::kMinimum, 2}},     {"max", {Op::kMaximum, 2}},
      {"shl", {Op::kShiftLeft, 2}},   {"shr", {Op::kShiftRight, 2}},
      {"and", {Op::kAnd, 2}},         {"or", {Op::kOr, 2}},
      {"xor", {Op::kXor, 2}},         {"not", {Op::kNot, 1}},
      {"bfi", {Op::kInsertBits, 4}},  {"selp", {Op::kSelect, 3}},
      {"setp", {Op::kCompare, 2}},    {"cvt", {Op::kConvert, 1}},
  };
  return *ops;
}

template <typename T>
T Named(const std::map<std::string, T>& names, const std::string& name) {
  const auto found = names.find(name);
  if (found == names.end()) Stop("\"" + name + "\" is unknown");
  return found->second;
}

Type TypeOf(const std::string& name) {
  static const std::map<std::string, Type> names = {
      {"u8", Type::kU8},   {"u16", Type::kU16},  {"s16", Type::kS16}, {"u32", Type::kU32},
      {"s32", Type::kS32}, {"u64", Type::kU64},  {"s64", Type::kS64}, {"f32", Type::kF32},
      {"f64", Type::kF64}, {"b16", Type::kB16},  {"b32", Type::kB32}, {"b64", Type::kB64},
      {"b8", Type::kU8},   {"pred", Type::kPred}};
  return Named(names, name);
}

Compare CompareOf(const std::string& name) {
  static const std::map<std::string, Compare> names = {
      {"eq", Compare::kEq},   {"ne", Compare::kNe},   {"lt", Compare::kLt},
      {"le", Compare::kLe},   {"gt", Compare::kGt},   {"ge", Compare::kGe},
      {"equ", Compare::kEqU}, {"neu", Compare::kNeU}, {"ltu", Compare::kLtU},
      {"leu", Compare::kLeU}, {"gtu", Compare::kGtU}, {"geu", Compare::kGeU},
      {"nan", Compare::kNaN}};
  return Named(names, name);
}

std::vector<std::string> Split(const std::string& text, const char* separators) {
  std::vector<std::string> words;
  std::string word;
  for (char c : text) {
    if (std::strchr(separators, c) == nullptr) {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, ""));
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

bool StartsWith(const std::string& text, const char* start) {
  return text.compare(0, std::strlen(start), start) == 0;
}

int RoundUp(int value, int unit) { return (value + unit - 1) / unit * unit; }

class Parser {
 public:
  std::map<std::string, Kernel> Parse(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      line = line.substr(0, line.find("//"));
      const size_t begin = line.find_first_not_of(" \t\r");
      if (begin != std::string::npos) Line(line.substr(begin));
    }
    return std::move(kernels_);
  }

 private:
  void Line(const std::string& line) {
    if (StartsWith(line, ".extern .shared")) {
      dynamic_ = Split(line, " \t[];").back();
    } else if (line.find(".entry") != std::string::npos) {
      Begin(Split(line.substr(line.find(".entry") + 6), " \t(").at(0));
    } else if (kernel_ == nullptr) {
      return;  // version, target, address size
    } else if (!in_body_) {
      Head(line);
    } else if (line == "}") {
      // That of a block within the kernel, or its own.
      if (--depth_ == 0) End();
    } else if (line == "{") {
      ++depth_;
    } else if (StartsWith(line, ".shared")) {
      const std::string name = Split(Split(line, " \t;").back(), "[").at(0);
      kernel_->shared_bytes = RoundUp(kernel_->shared_bytes, 16);
      symbols_[name] = kernel_->shared_bytes;
      kernel_->shared_bytes += std::atoi(line.c_str() + line.find('[') + 1);
    } else if (line.find(':') != std::string::npos && line[0] == '$') {
      labels_[line.substr(0, line.find(':'))] = static_cast<int>(kernel_->code.size());
    } else if (line[0] != '.' || StartsWith(line, ".local")) {
      for (const std::string& statement : Split(line, ";")) Statement(statement);
    }
  }

  void Begin(const std::string& name) {
    kernel_ = &kernels_[name];
    kernel_->name = name;
    registers_.clear();
    symbols_.clear();
    labels_.clear();
    branches_.clear();
    in_body_ = false;
  }

  void Head(const std::string& line) {
    if (StartsWith(line, ".param")) {
      const std::vector<std::string> words = Split(line, " \t,");
      const size_t array = line.find('[');
      const int bytes = array == std::string::npos ? BytesOf(TypeOf(words[1].substr(1)))
                                                   : std::atoi(line.c_str() + array + 1);
      const int offset = RoundUp(kernel_->parameter_bytes, 8);
      symbols_[Split(words.back(), "[").at(0)] = offset;
      kernel_->parameters.push_back({offset, bytes});
      kernel_->parameter_bytes = offset + bytes;
    } else if (StartsWith(line, ".maxntid")) {
      kernel_->most_threads = std::atoi(line.c_str() + 8);
    } else if (line == "{") {
      in_body_ = true;
      depth_ = 1;
    }
  }

  void End() {
    for (const auto& [at, label] : branches_) kernel_->code[at].target = Named(labels_, label);
    kernel_->registers = static_cast<int>(registers_.size());
    kernel_ = nullptr;
  }

  int Register(const std::string& name) {
    return registers_.emplace(name, static_cast<int>(registers_.size())).first->second;
  }

  Operand Value(const std::string& word) {
    if (word[0] == '%') return {true, static_cast<uint64_t>(Register(word))};
    if (StartsWith(word, "0f") || StartsWith(word, "0d")) {
      return {false, std::strtoull(word.c_str() + 2, nullptr, 16)};
    }
    if (word[0] == '-') {
      return {false, static_cast<uint64_t>(std::strtoll(word.c_str(), nullptr, 0))};
    }
    if (std::isdigit(word[0]) != 0) return {false, std::strtoull(word.c_str(), nullptr, 0)};
    // What a launch asks for lies after what a kernel has anyway.
    if (word == dynamic_) return {false, static_cast<uint64_t>(kernel_->shared_bytes)};
    return {false, static_cast<uint64_t>(Named(symbols_, word))};
  }

  void Statement(std::string text) {
    text.erase(0, text.find_first_not_of(" \t{"));
    if (text.empty() || text[0] == '.' || text[0] == '}') return;
    Instruction i;
    i.text = text;
    if (text[0] == '@') {
      const size_t end = text.find_first_of(" \t");
      i.unless = text[1] == '!';
      i.predicate = Register(text.substr(i.unless ? 2 : 1, end - (i.unless ? 2 : 1)));
      text.erase(0, text.find_first_not_of(" \t", end));
    }
    const size_t end = std::min(text.find_first_of(" \t"), text.size());
    const std::string operands = text.substr(end);
    Fill(text.substr(0, end), operands, Split(operands, " \t,{}[]"), &i);
    kernel_->code.push_back(i);
  }

  void Fill(const std::string& name, const std::string& operands,
            const std::vector<std::string>& words, Instruction* i) {
    const std::vector<std::string> parts = Split(name, ".");
    const auto results = [&](int count) {
      for (int k = 0; k < count; ++k) i->results[k] = Value(words.at(k));
    };
    const auto sources = [&](int first, int count) {
      for (int k = 0; k < count; ++k) i->sources[k] = Value(words.at(first + k));
    };
    const auto address = [&](const std::string& word) {
      const size_t plus = word.find('+');
      i->address = Value(word.substr(0, plus));
      i->offset = plus == std::string::npos ? 0 : std::atoll(word.c_str() + plus + 1);
    };
    if (name == "ret") {
      i->op = Op::kReturn;
    } else if (parts[0] == "bra") {
      i->op = Op::kBranch;
      branches_.emplace_back(static_cast<int>(kernel_->code.size()), words.at(0));
    } else if (name == "bar.sync") {
      i->op = Op::kBarrier;
      if (words.size() != 1 || words[0] != "0") Stop("not a barrier of all: " + i->text);
    } else if (name == "griddepcontrol.wait") {
      i->op = Op::kWaitForBefore;
    } else if (name == "griddepcontrol.launch_dependents") {
      i->op = Op::kLetNextBegin;
    } else if (parts[0] == "mma") {
      i->op = name == "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32"    ? Op::kMmaTf32
              : name == "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32" ? Op::kMmaBfloat16
                                                                              : Op::kReturn;
      if (i->op == Op::kReturn || words.size() != 14) Stop("unknown: " + i->text);
      results(4);
      sources(4, 10);
    } else if (parts[0] == "mov") {
      i->type = TypeOf(parts.back());
      const size_t brace = operands.find('{'), comma = operands.find(',');
      if (brace != std::string::npos) {
        i->op = brace < comma ? Op::kUnpack : Op::kPack;
        results(brace < comma ? 2 : 1);
        sources(brace < comma ? 2 : 1, brace < comma ? 1 : 2);
        return;
      }
      results(1);
      i->op = words.at(1) == "%tid.x"  ? Op::kThread
              : words[1] == "%ctaid.x" ? Op::kBlock
                                       : Op::kMove;
      if (i->op == Op::kMove) sources(1, 1);
    } else if (parts[0] == "ld" || parts[0] == "st") {
      static const std::map<std::string, Space> spaces = {
          {"global", Space::kGlobal}, {"shared", Space::kShared}, {"param", Space::kParameters}};
      i->space = Named(spaces, parts.at(1));
      i->type = TypeOf(parts.back());
      i->read_only = parts[2] == "nc";
      const std::string& vector = parts.at(parts.size() - 2);
      i->width = vector == "v2" ? 2 : vector == "v4" ? 4 : 1;
      if (parts[0] == "ld") {
        i->op = Op::kLoad;
        results(i->width);
        address(words.at(i->width));
      } else {
        i->op = Op::kStore;
        address(words.at(0));
        sources(1, i->width);
      }
    } else if (name == "cvt.rna.tf32.f32" || name == "cvt.rn.bf16x2.f32") {
      i->op = name == "cvt.rna.tf32.f32" ? Op::kConvertTf32 : Op::kConvertBfloat16;
      results(1);
      sources(1, static_cast<int>(words.size()) - 1);
    } else {
      const NamedOp simple = Named(SimpleOps(), parts[0]);
      i->op = simple.op;
      i->type = TypeOf(parts.back());
      if (parts.at(1) == "hi") Stop("unknown: " + i->text);
      if (parts[1] == "wide") i->op = Op::kMultiplyWide;
      if (i->op == Op::kCompare) {
        i->compare = CompareOf(parts[1]);
        if (parts.size() != 3) Stop("unknown: " + i->text);
      }
      if (i->op == Op::kConvert) {
        i->source_type = i->type;
        i->type = TypeOf(parts.at(parts.size() - 2));
      }
      if (static_cast<int>(words.size()) != 1 + simple.sources) Stop("unknown: " + i->text);
      results(1);
      sources(1, simple.sources);
    }
  }

  std::map<std::string, Kernel> kernels_;
  Kernel* kernel_ = nullptr;
  bool in_body_ = false;
  int depth_ = 0;
  std::string dynamic_;
  std::map<std::string, int> registers_, symbols_, labels_;
  std::vector<std::pair<int, std::string>> branches_;
};

}  // namespace

int BytesOf(Type type) {
  switch (type) {
    case Type::kU8:
    case Type::kPred:
      return 1;
    case Type::kU16:
    case Type::kS16:
    case Type::kB16:
      return 2;
    case Type::kU32:
    case Type::kS32:
    case Type::kF32:
    case Type::kB32:
      return 4;
    default:
      return 8;
  }
}

std::map<std::string, Kernel> Parse(const std::string& text) { return Parser().Parse(text); }

}  // namespace csc::test::ptx
