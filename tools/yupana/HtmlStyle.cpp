// SPDX-License-Identifier: Apache-2.0
//
// How the page looks. One column of at most 70 rem whose tables scroll inside, so that it is as wide as the screen and
// never wider; two sets of colours, between which the reader's system chooses; the system's own fonts, since a page
// that asks nobody for anything has no others. Drawings are stretched to the width there is, and their words stand
// beside them as text, which keeps its size.

#include "tools/yupana/Html.h"

    const char *const yupana::html::style = R"css(
:root {
  color-scheme: light dark;
  --bg: #fbfaf7; --card: #ffffff; --ink: #1c2126; --soft: #5b6570; --rule: #e4e1da; --grid: #ecebe6;
  --accent: #0f6b5f; --tint: #eef4f2; --shadow: #1c212622;
  --c0: #3f6bd8; --c1: #e0a01b; --c2: #e2624b; --c3: #3fa796; --c4: #8a5fd6; --c5: #d9689a; --c6: #6f9a3a;
  --c7: #5aa7d6; --cx: #a3a8ae;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #111418; --card: #181c21; --ink: #e7e9ec; --soft: #9aa4ae; --rule: #2b3138; --grid: #232930;
    --accent: #62c9b8; --tint: #1a2523; --shadow: #00000088;
    --c0: #6f93f0; --c1: #e8b64a; --c2: #f0826c; --c3: #5cc2b0; --c4: #ab88ea; --c5: #ec8db4; --c6: #93bb5e;
    --c7: #7dc0ea; --cx: #767e87;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0 auto; padding: 3rem 1.5rem 4rem; max-width: 70rem; background: var(--bg); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
h1, h2, h3, h4, p { margin: 0; font-weight: inherit; }
h1 { font-size: 2.25rem; line-height: 1.15; font-weight: 650; letter-spacing: -0.02em; }
h2 { font-size: 1.35rem; font-weight: 620; letter-spacing: -0.01em; }
h3 { font-size: 1.02rem; font-weight: 620; margin-top: 2.25rem; }
h4 { font-size: .95rem; font-weight: 600; margin-top: 1.75rem; }
code, .mono { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: .92em; }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 3px; }
.eyebrow { color: var(--accent); font-size: .78rem; font-weight: 650; letter-spacing: .09em;
  text-transform: uppercase; }
header h1 { margin: .35rem 0 .6rem; }
.lede { font-size: 1.06rem; color: var(--soft); max-width: 46rem; }
.note { color: var(--soft); max-width: 46rem; margin-top: .35rem; }
.faint { color: var(--soft); }
.warn { margin-top: 1.5rem; padding: .75rem 1rem; border-left: 3px solid var(--c1); background: var(--card); }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin-top: 1.5rem; padding: .75rem 0;
  border-top: 1px solid var(--rule); border-bottom: 1px solid var(--rule); font-size: .92rem; }
section { margin-top: 3.5rem; }
section > h2 { padding-bottom: .5rem; border-bottom: 1px solid var(--rule); }
.facts { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 1px; margin: 1.75rem 0 0;
  background: var(--rule); border: 1px solid var(--rule); border-radius: 10px; overflow: hidden; }
.facts > div { background: var(--card); padding: .8rem 1rem; }
.facts dt { color: var(--soft); font-size: .8rem; }
.facts dd { margin: .1rem 0 0; font-size: 1.12rem; font-weight: 600; line-height: 1.3; }
.facts dd small { display: block; font-size: .8rem; font-weight: 400; color: var(--soft); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 0 3rem; }
.pair > * { min-width: 0; }
.fit { display: inline-block; margin-left: .5rem; padding: .05rem .55rem; border-radius: 99px;
  background: var(--tint);
  color: var(--accent); font-size: .78rem; font-weight: 600; vertical-align: .15em; }
.fit.incompatible { background: none; border: 1px solid var(--rule); color: var(--soft); }

.bar { display: flex; height: 14px; margin-top: 1rem; border-radius: 4px; overflow: hidden;
  background: var(--grid); gap: 1px; }
.bar i { flex: 0 1 0; min-width: 0; }
.c0 { background: var(--c0); fill: var(--c0); } .c1 { background: var(--c1); fill: var(--c1); }
.c2 { background: var(--c2); fill: var(--c2); } .c3 { background: var(--c3); fill: var(--c3); }
.c4 { background: var(--c4); fill: var(--c4); } .c5 { background: var(--c5); fill: var(--c5); }
.c6 { background: var(--c6); fill: var(--c6); } .c7 { background: var(--c7); fill: var(--c7); }
.cx { background: var(--cx); fill: var(--cx); }
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: .55rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; line-height: 1.4; }
table.legend { margin-top: .75rem; max-width: 36rem; }
th { text-align: left; font-weight: 500; }
td, th { padding: .38rem .75rem .38rem 0; vertical-align: baseline; }
td:last-child, th:last-child { padding-right: 0; }
.n { text-align: right; white-space: nowrap; }
.legend th, .legend td { border-top: 1px solid var(--grid); }
.legend tr:first-child > * { border-top: 0; }
.scroll { overflow-x: auto; margin-top: 1rem; overscroll-behavior-x: contain;
  background: linear-gradient(to left, var(--bg) 30%, transparent) right / 3rem 100% no-repeat local,
    linear-gradient(to left, var(--shadow), transparent) right / 1.25rem 100% no-repeat scroll; }
.scroll:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.scroll td, .scroll th { overflow-wrap: normal; }
.scroll td { border-top: 1px solid var(--grid); }
.scroll thead th { color: var(--soft); font-size: .8rem; font-weight: 500; white-space: nowrap;
  border-bottom: 1px solid var(--rule); }
.scroll tbody th { white-space: nowrap; border-top: 1px solid var(--grid); }
.group th { padding-top: 1.1rem; font-weight: 620; border-top: 0; }
.group th div { position: sticky; left: 0; width: fit-content; max-width: min(calc(100vw - 2rem), 66rem);
  white-space: normal; }
.group th span { font-weight: 400; color: var(--soft); }
.tile { white-space: nowrap; }
.group + tr > * { border-top: 1px solid var(--rule); }
tr.sum > * { border-top: 1px solid var(--rule); font-weight: 620; }
.none { color: var(--soft); }
.no { display: inline-block; min-width: 1.5rem; padding: 0 .25rem; border-radius: 99px; text-align: center;
  color: var(--bg);
  font-size: .72rem; font-weight: 650; line-height: 1.35rem; }
.no.memory, .mark.memory { background: var(--c0); } .no.arithmetic, .mark.arithmetic { background: var(--c2); }
.long { min-width: 15rem; }
.meter { display: block; width: 6rem; height: 8px; border-radius: 3px; background: var(--grid); overflow: hidden; }
.meter i { display: block; height: 100%; }
.meter .memory { background: var(--c0); } .meter .arithmetic { background: var(--c2); }
details { margin-top: 1rem; }
summary { cursor: pointer; color: var(--accent); font-size: .92rem; width: fit-content; }

.plot { position: relative; margin: 1.25rem 0 0 3.9rem; height: 17rem; border-bottom: 1px solid var(--soft); }
.plot.low { height: 12rem; }
.plot svg { position: absolute; inset: 0; width: 100%; height: 100%; display: block; overflow: hidden; }
.plot svg * { vector-effect: non-scaling-stroke; }
.plot rect { stroke: var(--bg); stroke-width: .6px; }
.plot .dense rect { stroke: none; }
.plot rect:hover { opacity: .75; }
.grid { stroke: var(--grid); } .edge { stroke: var(--soft); stroke-dasharray: 3 3; }
.roof { fill: none; stroke: var(--accent); stroke-width: 1.5px; opacity: .55; } .shade { fill: var(--tint);
  stroke: none !important; }
.stem { stroke: var(--soft); opacity: .5; }
.y { position: absolute; right: 100%; margin-right: .6rem; transform: translateY(50%); font-size: .75rem;
  color: var(--soft); white-space: nowrap; }
.xs { position: relative; margin: .3rem 0 0 3.9rem; height: 1.3rem; font-size: .75rem; color: var(--soft); }
.xs span { position: absolute; white-space: nowrap; transform: translateX(-50%); }
.xs span.first { transform: none; } .xs span.last { transform: translateX(-100%); }
.spans { display: flex; margin: .35rem 0 0 3.9rem; font-size: .75rem; color: var(--soft); gap: 3px; }
.spans span { flex: 0 1 0; min-width: 0; border-top: 2px solid var(--rule); padding-top: .25rem; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.mark { position: absolute; transform: translate(-50%, 50%); min-width: 1.35rem; height: 1.35rem; padding: 0 .3rem;
  border-radius: 99px;
  color: var(--bg); font-size: .72rem; font-weight: 650; line-height: 1.35rem; text-align: center;
  box-shadow: 0 0 0 2px var(--bg); }
.tag { position: absolute; font-size: .75rem; color: var(--accent); line-height: 1.2; white-space: nowrap; }
.tag.flat { right: .4rem; top: 7%; }
.keys { display: flex; flex-wrap: wrap; gap: .2rem 1.25rem; margin: .9rem 0 0; padding: 0; list-style: none;
  font-size: .85rem; }
footer { margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--rule); color: var(--soft);
  font-size: .85rem; }
@media (max-width: 40rem) {
  body { padding: 1.75rem 1rem 3rem; }
  h1 { font-size: 1.75rem; }
  section { margin-top: 2.75rem; }
  .facts { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .facts > div { padding: .65rem .8rem; }
  .plot { height: 14rem; margin-left: 3.4rem; } .xs, .spans { margin-left: 3.4rem; }
  .scroll td:first-child, .scroll tbody th:first-child { position: sticky; left: 0; background: var(--bg);
  z-index: 1; }
  .scroll .group th:first-child { position: static; }
  .long { min-width: 9rem; font-size: .84rem; }
}
@media print { body { max-width: none; } .scroll { overflow: visible; } }
)css";
