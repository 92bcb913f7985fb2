// The style sheet of report.html, for light and dark screens and for paper.

#ifndef CSC_TRAINING_REPORT_STYLE_H_
#define CSC_TRAINING_REPORT_STYLE_H_

namespace csc {

inline constexpr char kStyle[] = R"css(
:root {
  color-scheme: light dark;
  --page: #f6f7f8; --card: #ffffff; --ink: #1c2329; --pale: #66717c; --line: #dfe3e7;
  --s0: #1f5fa8; --s1: #c4500b; --s2: #2c7a4b;
  --right: 31, 95, 168; --wrong: 196, 52, 40; --on-strong: #ffffff;
  --warning: #8a3b00; --warning-back: #fdebd3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14181c; --card: #1c2228; --ink: #e4e8ec; --pale: #96a1ac; --line: #323a42;
    --s0: #79b0ee; --s1: #f0a05a; --s2: #78c796;
    --right: 80, 140, 210; --wrong: 224, 92, 78; --on-strong: #ffffff;
    --warning: #ffcf94; --warning-back: #4a2f10;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2.2rem 1.4rem 4rem; max-width: 76rem; background: var(--page);
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
h1 { margin: 0; font-size: 1.7rem; line-height: 1.25; overflow-wrap: anywhere; }
header p { margin: .2rem 0 0; color: var(--pale); }
h2 { margin: 2.4rem 0 .8rem; font-size: 1.15rem; }
small { color: var(--pale); font-weight: normal; }
code, pre { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
pre {
  margin: 0; padding: .9rem 1rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 8px; white-space: pre-wrap; overflow-wrap: anywhere;
}
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .7rem;
  margin: 1.4rem 0 0; }
.cards div, .chart, .mosaic, .panel {
  background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .8rem 1rem;
}
.cards dt { color: var(--pale); font-size: .8rem; }
.cards dd { margin: 0; font-size: 1.25rem; font-weight: 600; overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr));
  gap: .9rem; }
figure { margin: 0; }
figcaption { font-weight: 600; }
.chart svg { display: block; width: 100%; height: auto; }
.legend { display: flex; flex-wrap: wrap; gap: 0 1.1rem; font-size: .85rem; color: var(--pale); }
.legend b { color: var(--ink); }
.key::before { content: ""; display: inline-block; width: 1.3rem; margin-right: .4rem;
  vertical-align: .25em; border-top: 2.5px solid currentColor; }
.key.s0::before { color: var(--s0); }
.key.s1::before { color: var(--s1); }
.key.s2::before { color: var(--s2); border-top-style: dashed; }
.grid { stroke: var(--line); stroke-width: 1; }
.tick { fill: var(--pale); font-size: 12px; }
svg path { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; }
svg circle { fill: currentColor; }
svg .s0 { color: var(--s0); }
svg .s1 { color: var(--s1); }
svg .s2 { color: var(--s2); }
svg .s2 path { stroke-dasharray: 6 4; }
.mosaics { display: grid; gap: .9rem; }
.mosaic img { display: block; margin-top: .6rem; max-width: 100%; height: auto;
  image-rendering: pixelated; }
.panel p:first-child { margin-top: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; }
th { text-align: left; font-weight: 600; }
thead th { color: var(--pale); font-weight: normal; vertical-align: bottom; }
.confusion td { min-width: 2.4rem; height: 2.1rem; padding: 0 .35rem; text-align: center;
  border: 1px solid var(--line); }
.confusion th { padding: .2rem .6rem .2rem 0; white-space: nowrap; }
.confusion thead th { text-align: center; padding: .2rem .3rem; }
.confusion thead .corner { text-align: left; padding-left: 0; }
.confusion.wide thead th:not(.corner) span { writing-mode: vertical-rl; transform: rotate(180deg);
  max-height: 10rem; overflow: hidden; text-overflow: ellipsis; }
.confusion .right { background: rgba(var(--right), var(--v)); }
.confusion .wrong { background: rgba(var(--wrong), var(--v)); }
.confusion .strong { color: var(--on-strong); }
.confusion td.recall { border: 0; text-align: right; color: var(--pale); white-space: nowrap; }
.confusion.dense td { min-width: 9px; width: 9px; height: 9px; padding: 0; border-width: 0; }
.confusion.dense th { padding: 0 .5rem 0 0; font-size: 9px; line-height: 9px; }
.confusion.dense thead th { padding: 0; }
.confusion.dense td.recall { width: auto; font-size: 9px; line-height: 9px; }
.figures { width: 100%; }
.figures th, .figures td { padding: .3rem .55rem; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
.figures td, .figures thead th:nth-child(n+3) { text-align: right; }
.figures .name { text-align: left; }
.figures .none { color: var(--pale); }
.warning { color: var(--warning); background: var(--warning-back); font-weight: 600; }
.legend-list { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem;
  margin: .9rem 0 0; font-size: .82rem; color: var(--pale); }
.legend-list dt { color: var(--ink); }
.legend-list dd { margin: 0; }
.options { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr));
  gap: .1rem 1.6rem; margin: 0; font-size: .88rem; }
.options div { display: flex; justify-content: space-between; gap: 1rem;
  border-bottom: 1px solid var(--line); padding: .2rem 0; }
.options dt { color: var(--pale); }
.options dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
@media print {
  body { background: none; max-width: none; }
  .chart, .mosaic, .panel { break-inside: avoid; }
}
)css";

}  // namespace csc

#endif  // CSC_TRAINING_REPORT_STYLE_H_
