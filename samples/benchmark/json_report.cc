#include "samples/benchmark/json_report.h"

#include <nlohmann/json.hpp>

namespace csc {

namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const Runner& runner) {
  return {{"program", runner.program},
          {"arithmetic", runner.arithmetic},
          {"form", runner.form},
          {"rival", runner.rival}};
}

Json ToJson(const Workspace& workspace) {
  return {{"total", workspace.total},
          {"fixed", workspace.fixed},
          {"per_thread", workspace.per_thread},
          {"per_image", workspace.per_image}};
}

Json ToJson(const Times& times) {
  return {{"total", times.total},         {"maps", times.maps},
          {"gradients", times.gradients}, {"elementwise", times.elementwise},
          {"layout", times.layout},       {"other", times.other},
          {"rest", times.rest()}};
}

Json ToJson(const Report& report, const Result& r) {
  Json json = {{"network", r.network},
               {"phase", Name(r.phase)},
               {"side", r.side},
               {"batch", r.batch},
               {"depth", r.depth},
               {"unfolding", r.unfolding},
               {"gflop_per_image", 1e-9 * r.flops},
               {"unfused_bytes_per_image", r.bytes}};
  json.update(ToJson(r.runner));
  if (!r.measured()) {
    json["not_measured"] = r.declined;
    return json;
  }
  json.update(Json{
      {"ms_per_image", r.ImageMs()},
      {"best_ms_per_image", r.BestImageMs()},
      {"gflops_per_second", 1e-9 * r.Rate()},
      {"share_of_peak", r.Rate() / report.peak},
      {"share_of_peak_then", r.timing.beside > 0 ? Json(r.Rate() / r.timing.beside) : Json()},
      {"queued_share",
       r.timing.queued ? Json(*r.timing.queued / static_cast<double>(report.threads)) : Json()},
      {"runs", r.timing.runs},
      {"in_turns", r.in_turns}});
  if (r.workspace.total > 0) json["workspace_bytes"] = ToJson(r.workspace);
  if (r.times) json["worker_seconds_per_image"] = ToJson(*r.times);
  const Result* rival = r.runner.rival ? nullptr : BestRival(report.results, r);
  if (rival != nullptr) {
    json["best_rival"] = ToJson(rival->runner);
    json["best_rival"]["batch"] = rival->batch;
    json["best_rival"]["ms_per_image"] = rival->ImageMs();
    json["best_rival"]["best_ms_per_image"] = rival->BestImageMs();
    json["best_rival"]["times_as_long"] = rival->ImageMs() / r.ImageMs();
    json["best_rival"]["times_as_long_at_best"] = rival->BestImageMs() / r.BestImageMs();
  }
  return json;
}

Json ToJson(const NeighbourResult& r) {
  Json json = {{"network", r.network}, {"neighbours", r.neighbours}};
  json.update(ToJson(r.runner));
  json.update(Json{{"idle_ms", 1e3 * r.idle.median_seconds},
                   {"busy_ms", 1e3 * r.busy.median_seconds},
                   {"times_as_long", r.busy.median_seconds / r.idle.median_seconds}});
  return json;
}

}  // namespace

std::string JsonText(const Report& report) {
  Json json = {{"processor", report.processor},
               {"instructions", report.instructions},
               {"threads", report.threads},
               {"peak_gflops_per_second", 1e-9 * report.peak},
               {"bf16_peak_gflops_per_second", 1e-9 * report.bfloat16_peak},
               {"memory_gb_per_second", 1e-9 * report.bandwidth},
               {"engines", report.engines},
               {"rivals", report.rivals},
               {"results", Json::array()},
               {"beside_neighbours", Json::array()}};
  for (const Result& r : report.results) json["results"].push_back(ToJson(report, r));
  for (const NeighbourResult& r : report.neighbours) json["beside_neighbours"].push_back(ToJson(r));
  return json.dump(2) + "\n";
}

}  // namespace csc
