#include "tests/solvers/engines/cuda/emulated/arithmetic.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace csc::test::ptx {

namespace {

constexpr uint64_t kSign32 = uint64_t{1} << 31, kSign64 = uint64_t{1} << 63;

template <typename T>
T As(uint64_t word) {
  T value;
  std::memcpy(&value, &word, sizeof(value));
  return value;
}
template <typename T>
uint64_t Word(T value) {
  uint64_t word = 0;
  std::memcpy(&word, &value, sizeof(value));
  return word;
}

bool IsFloat(Type type) { return type == Type::kF32 || type == Type::kF64; }

// Calls body with a value of the C++ type of this.
template <typename Body>
auto OfType(Type type, const Body& body) {
  switch (type) {
    case Type::kU8:
      return body(uint8_t{});
    case Type::kU16:
    case Type::kB16:
      return body(uint16_t{});
    case Type::kS16:
      return body(int16_t{});
    case Type::kS32:
      return body(int32_t{});
    case Type::kU64:
    case Type::kB64:
      return body(uint64_t{});
    case Type::kS64:
      return body(int64_t{});
    case Type::kF32:
      return body(float{});
    case Type::kF64:
      return body(double{});
    case Type::kU32:
    case Type::kB32:
      return body(uint32_t{});
    case Type::kPred:
      break;
  }
  return body(uint8_t{});
}

template <typename T>
bool Holds(Compare compare, T a, T b) {
  const bool ordered = a == a && b == b;
  switch (compare) {
    case Compare::kEq:
      return ordered && a == b;
    case Compare::kNe:
      return ordered && a != b;
    case Compare::kLt:
      return a < b;
    case Compare::kLe:
      return a <= b;
    case Compare::kGt:
      return a > b;
    case Compare::kGe:
      return a >= b;
    case Compare::kEqU:
      return !ordered || a == b;
    case Compare::kNeU:
      return !ordered || a != b;
    case Compare::kLtU:
      return !ordered || a < b;
    case Compare::kLeU:
      return !ordered || a <= b;
    case Compare::kGtU:
      return !ordered || a > b;
    case Compare::kGeU:
      return !ordered || a >= b;
    case Compare::kNaN:
      return !ordered;
  }
  return false;
}

// Integers in unsigned 64 bits, of which those of the type count: sums and products
// come out the same, signed or not.
uint64_t IntegerResult(const Instruction& i, uint64_t a, uint64_t b, uint64_t c) {
  const auto extreme = [&](bool smaller) {
    return OfType(i.type, [&](auto t) {
      using T = decltype(t);
      return (As<T>(a) < As<T>(b)) == smaller ? a : b;
    });
  };
  const uint64_t bits = 8 * BytesOf(i.type), by = static_cast<uint32_t>(b);
  const bool is_signed = i.type == Type::kS32;
  const auto require_32_bits = [&] {
    if (bits != 32) Stop("no such integer arithmetic: " + i.text);
  };
  switch (i.op) {
    case Op::kAdd:
      return a + b;
    case Op::kSubtract:
      return a - b;
    case Op::kMultiply:
      return a * b;
    case Op::kMultiplyAdd:
      return a * b + c;
    case Op::kMultiplyWide:
      require_32_bits();
      return is_signed ? static_cast<uint64_t>(int64_t{As<int32_t>(a)} * As<int32_t>(b))
                       : (a & 0xFFFFFFFF) * (b & 0xFFFFFFFF);
    case Op::kMinimum:
      return extreme(true);
    case Op::kMaximum:
      return extreme(false);
    case Op::kNegate:
      return -a;
    case Op::kShiftLeft:
      return by >= bits ? 0 : a << by;
    case Op::kShiftRight:
      if (i.type == Type::kU64 || i.type == Type::kB64) return by >= bits ? 0 : a >> by;
      require_32_bits();
      if (is_signed) {
        return static_cast<uint64_t>(int64_t{As<int32_t>(a) >> std::min<uint64_t>(by, 31)});
      }
      return by >= bits ? 0 : (a & 0xFFFFFFFF) >> by;
    case Op::kAnd:
      return a & b;
    case Op::kOr:
      return a | b;
    case Op::kXor:
      return a ^ b;
    case Op::kNot:
      return i.type == Type::kPred ? a ^ 1 : ~a;
    default:
      Stop("no such integer arithmetic: " + i.text);
  }
}

template <typename T>
T FloatResult(const Instruction& i, T a, T b, T c) {
  switch (i.op) {
    case Op::kAdd:
      return a + b;
    case Op::kSubtract:
      return a - b;
    case Op::kMultiply:
      return a * b;
    case Op::kMultiplyAdd:
      return std::fma(a, b, c);
    case Op::kDivide:
      return a / b;
    case Op::kSquareRoot:
      return std::sqrt(a);
    case Op::kReciprocal:
      return 1 / a;
    case Op::kNegate:
      return -a;
    case Op::kAbsolute:
      return std::abs(a);
    case Op::kCopySign:
      return std::copysign(b, a);
    default:
      Stop("no such arithmetic: " + i.text);
  }
}

uint64_t Converted(const Instruction& i, uint64_t word) {
  return OfType(i.source_type, [&](auto from) {
    return OfType(i.type, [&](auto to) -> uint64_t {
      using From = decltype(from);
      using To = decltype(to);
      if (IsFloat(i.source_type) && !IsFloat(i.type)) Stop("no such conversion: " + i.text);
      return Word(static_cast<To>(As<From>(word)));
    });
  });
}

uint64_t InsertedBits(uint64_t bits, uint64_t into, uint64_t at, uint64_t count) {
  const uint64_t mask = ((uint64_t{1} << count) - 1) << at;
  return ((into & ~mask) | ((bits << at) & mask)) & 0xFFFFFFFF;
}

// To nearest, ties away from zero. The bits dropped are not defined: here they are set.
uint64_t Tf32Of(uint64_t word) {
  if (std::isnan(As<float>(word))) return 0x7FFFFFFF;
  return std::isinf(As<float>(word)) ? word : ((word + 0x1000) & 0xFFFFE000) | 0x1FFF;
}

// To nearest, ties to even.
uint64_t Bfloat16Of(uint64_t word) {
  if (std::isnan(As<float>(word))) return 0x7FFF;
  return (word + 0x7FFF + (word >> 16 & 1)) >> 16;
}

float ValueOfTf32(uint64_t word) { return As<float>(word & 0xFFFFE000); }
float ValueOfBfloat16(uint64_t word, int half) {
  return As<float>((half == 0 ? word << 16 : word) & 0xFFFF0000);
}

}  // namespace

void Compute(const Instruction& i, uint64_t* r) {
  const uint64_t a = ValueOf(i.sources[0], r), b = ValueOf(i.sources[1], r),
                 c = ValueOf(i.sources[2], r);
  uint64_t result = 0;
  switch (i.op) {
    case Op::kMove:
      result = a;
      break;
    case Op::kPack:
      result = (a & 0xFFFFFFFF) | b << 32;
      break;
    case Op::kUnpack:
      r[i.results[0].value] = a & 0xFFFFFFFF;
      r[i.results[1].value] = a >> 32;
      return;
    case Op::kSelect:
      result = (c & 1) != 0 ? a : b;
      break;
    case Op::kCompare:
      r[i.results[0].value] = OfType(i.type, [&](auto t) {
        using T = decltype(t);
        return Holds(i.compare, As<T>(a), As<T>(b));
      });
      return;
    case Op::kConvert:
      result = Converted(i, a);
      // Integers keep their sign in a longer register.
      if (i.source_type == Type::kS32 && i.type == Type::kS64)
        result = Word(int64_t{As<int32_t>(a)});
      break;
    case Op::kConvertTf32:
      result = Tf32Of(a);
      break;
    case Op::kConvertBfloat16:
      result = Bfloat16Of(a) << 16 | Bfloat16Of(b);
      break;
    case Op::kInsertBits:
      result = InsertedBits(a, b, c, ValueOf(i.sources[3], r));
      break;
    default:
      result = i.type == Type::kF32 ? Word(FloatResult(i, As<float>(a), As<float>(b), As<float>(c)))
               : i.type == Type::kF64
                   ? Word(FloatResult(i, As<double>(a), As<double>(b), As<double>(c)))
                   : IntegerResult(i, a, b, c);
  }
  const bool wide = BytesOf(i.type) == 8 || i.op == Op::kMultiplyWide || i.op == Op::kPack;
  r[i.results[0].value] = wide ? result : result & 0xFFFFFFFF;
}

// The figures "matrix fragments for mma.m16n8k8" (.tf32) and "mma.m16n8k16" (.bf16) of
// the PTX ISA, by their formulas for rows and columns.
void MultiplyMatrices(const Instruction& i, uint64_t* const* registers) {
  constexpr int kRows = 16, kColumns = 8, kLanes = 32;
  const bool tf32 = i.op == Op::kMmaTf32;
  const int depth = tf32 ? 8 : 16;
  float a[kRows][16] = {}, b[16][kColumns] = {}, d[kRows][kColumns] = {};
  for (int lane = 0; lane < kLanes; ++lane) {
    const int group = lane >> 2, thread = lane % 4;
    const auto source = [&](int k) { return ValueOf(i.sources[k], registers[lane]); };
    if (tf32) {
      for (int k = 0; k < 4; ++k) {  // a0 to a3
        a[k == 0 || k == 2 ? group : group + 8][k < 2 ? thread : thread + 4] =
            ValueOfTf32(source(k));
      }
      for (int k = 0; k < 2; ++k) {  // b0, b1
        b[k == 0 ? thread : thread + 4][group] = ValueOfTf32(source(4 + k));
      }
    } else {
      for (int k = 0; k < 8; ++k) {  // a0 to a7
        const int row = k < 2 || (4 <= k && k < 6) ? group : group + 8;
        const int column = thread * 2 + (k & 1) + (k >= 4 ? 8 : 0);
        a[row][column] = ValueOfBfloat16(source(k / 2), k & 1);
      }
      for (int k = 0; k < 4; ++k) {  // b0 to b3
        b[thread * 2 + (k & 1) + (k >= 2 ? 8 : 0)][group] =
            ValueOfBfloat16(source(4 + k / 2), k & 1);
      }
    }
    for (int k = 0; k < 4; ++k) {  // c0 to c3
      d[k < 2 ? group : group + 8][thread * 2 + (k & 1)] = As<float>(source(6 + k));
    }
  }
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      double sum = 0;
      for (int k = 0; k < depth; ++k) sum += static_cast<double>(a[row][k]) * b[k][column];
      d[row][column] = static_cast<float>(d[row][column] + sum);
    }
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    const int group = lane >> 2, thread = lane % 4;
    for (int k = 0; k < 4; ++k) {
      registers[lane][i.results[k].value] =
          Word(d[k < 2 ? group : group + 8][thread * 2 + (k & 1)]);
    }
  }
}

}  // namespace csc::test::ptx
