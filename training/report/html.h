// Text and bytes as parts of an HTML page.

#ifndef CSC_TRAINING_REPORT_HTML_H_
#define CSC_TRAINING_REPORT_HTML_H_

#include <cstdint>
#include <string>
#include <vector>

namespace csc {

// `text` for use between tags and inside quoted attributes: & < > " ' become
// entities. Control characters and bytes that are not UTF-8, which no page may
// hold, become U+FFFD.
std::string Escape(const std::string& text);

// RFC 4648, with padding.
std::string Base64(const std::vector<uint8_t>& bytes);

}  // namespace csc

#endif  // CSC_TRAINING_REPORT_HTML_H_
