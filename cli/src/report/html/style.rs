//! How the page looks, in the light and in the dark.

pub(super) const SHEET: &str = "
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --page: #fbfbf9; --card: #fff; --line: #dfe3e8;
  --server: #1f5fa8; --clients: #a9c7e8; --answered: #4f9d8f; --dropped: #e0913a; --rejected: #c2453f; --left: #9aa3ad; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --soft: #9aa6b5; --page: #14181e; --card: #1c222b;
  --line: #323b48; --server: #6aa9ee; --clients: #2f4d70; --answered: #5cb5a5; --dropped: #e5a050; --rejected: #e06a64; } }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 56rem; margin: 0 auto; padding: 2rem 1rem; }
h1 { margin: 0 0 1rem; font-size: 1.7rem; line-height: 1.2; }
h2 { margin: 0; font-size: 1.1rem; }
.verdict { margin: 0; font-weight: 600; } .good { color: var(--answered); } .bad, .warning { color: var(--rejected); }
.note { margin: 0 0 .6rem; color: var(--soft); font-size: .9rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem 1.2rem; margin: 1rem 0; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; } svg text.soft { fill: var(--soft); }
.end { text-anchor: end; } .middle { text-anchor: middle; } .grid { stroke: var(--line); } .limit { stroke: var(--rejected); stroke-width: 2; }
.server { fill: var(--server); } .clients { fill: var(--clients); } .answered { fill: var(--answered); }
.dropped { fill: var(--dropped); } .rejected { fill: var(--rejected); } .left { fill: var(--left); }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: .4rem 0 0; padding: 0; list-style: none; color: var(--soft); font-size: .9rem; }
.key svg { display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
details { margin-top: .5rem; overflow-wrap: anywhere; } summary { cursor: pointer; }
table { border-collapse: collapse; } th { text-align: left; font-weight: normal; color: var(--soft); padding-right: 2rem; }
.rows { margin-top: .6rem; } .rows td { padding-right: 2rem; overflow-wrap: anywhere; }
";
