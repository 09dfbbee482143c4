"""The style of the pages that `vibedata status --html` and `vibedata fleet status --html` write."""

STYLE = """\
:root {
  --back: #f6f7f9; --card: #ffffff; --ink: #1a2029; --faint: #5a6472; --line: #dde1e7; --link: #0b57d0;
  --ill: #b3261e; --ill-back: #fdecea; --attention: #8a5000; --attention-back: #fff4e0;
  --well: #176639; --well-back: #e7f5ec; --unknown: #505a68; --unknown-back: #eceff3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #12161c; --card: #1b2129; --ink: #e7eaef; --faint: #a0a9b6; --line: #303846; --link: #9ec1ff;
    --ill: #ff9a91; --ill-back: #3d1a18; --attention: #ffc46b; --attention-back: #36270d;
    --well: #7fd6a0; --well-back: #12301f; --unknown: #b3bcc9; --unknown-back: #28303b;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 72rem; padding: 1.25rem 1.25rem 3rem; background: var(--back); color: var(--ink);
  font: 1rem/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: break-word; -webkit-text-size-adjust: 100%;
}
h1, h2, h3, p, dl, dd, ul { margin: 0; padding: 0; }
a { color: var(--link); }
code { font: 0.92em ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
svg { width: 1em; height: 1em; flex: none; fill: currentColor; }
svg .on { fill: none; stroke: var(--mark, var(--card)); stroke-width: 2.4; stroke-linecap: round; }
.brand { font-weight: 700; }
.scope, .faint, .small, dt, .detail, footer { color: var(--faint); font-size: 0.875rem; }
header { margin-bottom: 1rem; }
.verdict, .tiles > div, article, table {
  background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem;
}
.verdict { padding: 1.1rem 1.25rem; border-left-width: 0.5rem; }
.verdict h2 { margin: 0; display: flex; gap: 0.75rem; font-size: 1.5rem; line-height: 1.25; text-wrap: pretty; }
.verdict h2 svg { width: 1.9rem; height: 1.9rem; }
.word { display: block; font-size: 0.875rem; letter-spacing: 0.04em; text-transform: uppercase; }
.verdict ul { list-style: none; margin-top: 0.9rem; display: grid; gap: 0.6rem; }
.verdict li { display: flex; gap: 0.6rem; }
.verdict li svg { margin-top: 0.25em; }
.remedy, .small { display: block; }
/* Not everywhere: otherwise a table could make a column of short words as narrow as one letter. */
.small, .verdict, .tiles, article, td:first-child { overflow-wrap: anywhere; }
.remedy { color: var(--faint); }
.verdict.ill { --tone: var(--ill); background: var(--ill-back); --mark: var(--ill-back); }
.verdict.attention { --tone: var(--attention); background: var(--attention-back); --mark: var(--attention-back); }
.verdict.well { --tone: var(--well); background: var(--well-back); --mark: var(--well-back); }
.verdict.unknown { --tone: var(--unknown); background: var(--unknown-back); --mark: var(--unknown-back); }
.verdict { border-color: var(--tone); }
.verdict h2 > svg, .word { color: var(--tone); }
li.ill > svg { color: var(--ill); } li.attention > svg { color: var(--attention); }
li.unknown > svg { color: var(--unknown); } .small.attention { color: var(--attention); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: 0.75rem; margin-top: 1rem; }
.tiles > div { padding: 0.8rem 1rem; }
.tiles dd:not(.detail) { font-size: 1.35rem; font-weight: 600; }
h1 { font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
summary { cursor: pointer; padding: 0.35rem 0; color: var(--link); }
h2 { font-size: 1.15rem; margin: 1.9rem 0 0.6rem; }
.count { color: var(--faint); font-weight: 400; }
article { padding: 0.9rem 1.1rem; border-left: 0.4rem solid var(--tone); margin-bottom: 0.75rem; }
article.ill { --tone: var(--ill); } article.attention { --tone: var(--attention); }
article h3 { display: flex; flex-wrap: wrap; align-items: center; gap: 0.2rem 0.6rem; font-size: 1.1rem; }
.type { color: var(--faint); font-size: 0.875rem; font-weight: 400; }
.reason { margin: 0.35rem 0 0.2rem; }
article dl {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 0.5rem 1.25rem; margin-top: 0.6rem;
}
.badge {
  display: inline-flex; align-items: center; gap: 0.35em; padding: 0.1em 0.6em 0.1em 0.45em; border-radius: 1em;
  font-size: 0.875rem; font-weight: 600; white-space: nowrap;
}
.badge.ill { color: var(--ill); background: var(--ill-back); --mark: var(--ill-back); }
.badge.attention { color: var(--attention); background: var(--attention-back); --mark: var(--attention-back); }
.badge.well { color: var(--well); background: var(--well-back); --mark: var(--well-back); }
.badge.unknown { color: var(--unknown); background: var(--unknown-back); --mark: var(--unknown-back); }
.small svg { vertical-align: -0.12em; margin-right: 0.3em; }
table { width: 100%; border-collapse: separate; border-spacing: 0; }
th { text-align: left; color: var(--faint); font-size: 0.875rem; font-weight: 600; }
th:first-child { width: 50%; }
th:first-child:nth-last-child(n+5) { width: 36%; }
th, td { padding: 0.55rem 1rem; vertical-align: top; }
td { border-top: 1px solid var(--line); }
time { white-space: nowrap; font-variant-numeric: tabular-nums; }
footer { margin-top: 2rem; }
@media (max-width: 46rem) {
  body { padding: 0.9rem 0.9rem 2rem; }
  .verdict h2 { font-size: 1.25rem; }
  table, tbody { display: block; background: none; border: 0; }
  thead { display: none; }
  tr {
    display: block; background: var(--card); border: 1px solid var(--line); border-radius: 0.6rem;
    padding: 0.6rem 0.9rem; margin-bottom: 0.6rem;
  }
  td { display: grid; grid-template-columns: 6.5rem 1fr; padding: 0.2rem 0; border: 0; }
  td:empty { display: none; }
  td::before { content: attr(data-name); color: var(--faint); font-size: 0.875rem; }
  td:first-child { display: block; padding-bottom: 0.35rem; }
  td:first-child::before { content: none; }
  .tiles, article dl { grid-template-columns: repeat(2, 1fr); }
}
@media print {
  details::details-content { content-visibility: visible; block-size: auto; }
  :root {
    --back: #fff; --card: #fff; --ink: #000; --faint: #444; --line: #bbb; --link: #000;
    --ill: #b3261e; --ill-back: #fff; --attention: #7a4600; --attention-back: #fff;
    --well: #176639; --well-back: #fff; --unknown: #444; --unknown-back: #fff;
  }
  body { max-width: none; padding: 0; font-size: 10pt; }
  article, tr, .verdict, .tiles > div { break-inside: avoid; }
  thead { display: table-header-group; }
  h2 { break-after: avoid; }
  a { text-decoration: none; }
  th, td { padding: 0.25rem 0.6rem; }
  .tiles { grid-template-columns: repeat(4, 1fr); }
  svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
