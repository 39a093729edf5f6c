/** Colours of pages and pictures, by day and by night. */
export const palette = `
:root {
  --ground: #ffffff; --panel: #f6f8fa; --ink: #1c2430; --soft: #5b6675; --line: #d4dae2;
  --plain: #4a6fa5; --opened: #15803d; --sealed: #b45309; --handshake: #7c3aed; --remark: #be123c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #10151c; --panel: #182029; --ink: #e6ebf2; --soft: #93a0b1; --line: #313c4a;
    --plain: #8ab4f8; --opened: #5fd38d; --sealed: #f2b45c; --handshake: #b79cff; --remark: #ff8fa3;
  }
}`;

/** What is drawn in a row, alike in pages and pictures. */
export const drawing = `
text { font-family: ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; fill: var(--ink); }
.life { stroke: var(--line); stroke-width: 1.5; }
.arrow { stroke-width: 2; }
.label { font-size: 13.5px; paint-order: stroke; stroke: var(--halo, var(--ground)); stroke-width: 6px; stroke-linejoin: round; }
.title { font-weight: 650; }
.gist { fill: var(--soft); }
.shield { font-size: 11px; font-weight: 650; letter-spacing: .03em; }
.remark { font-size: 12px; font-weight: 600; fill: var(--remark); }
.figures { font-size: 11.5px; fill: var(--soft); font-variant-numeric: tabular-nums; paint-order: stroke; stroke: var(--halo, var(--ground)); stroke-width: 4px; }
.arrow.plain { stroke: var(--plain); } .head.plain, .shield.plain { fill: var(--plain); }
.arrow.opened { stroke: var(--opened); } .head.opened, .shield.opened { fill: var(--opened); }
.arrow.sealed { stroke: var(--sealed); stroke-dasharray: 7 4; } .head.sealed, .shield.sealed { fill: var(--sealed); }
.arrow.handshake { stroke: var(--handshake); } .head.handshake, .shield.handshake { fill: var(--handshake); }
.role { font-size: 14px; font-weight: 700; }
.place { font-size: 11.5px; fill: var(--soft); font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.ground { fill: var(--ground); }`;

/** The page around it. */
export const pageStyle: string = `${palette}
:root { color-scheme: light dark; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
header, .tools { padding: 0 1.5rem; }
h1 { margin: 1.4rem 0 .2rem; font-size: 1.35rem; letter-spacing: -.01em; overflow-wrap: anywhere; }
.facts, .hint { margin: 0; color: var(--soft); }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: .8rem 0; padding: 0; list-style: none; font-size: .85rem; color: var(--soft); }
.legend svg { vertical-align: middle; margin-right: .45rem; }
.tools { display: flex; flex-wrap: wrap; gap: .5rem 1.6rem; align-items: center; padding-block: .7rem; background: var(--panel); border-block: 1px solid var(--line); font-size: .88rem; }
fieldset { display: flex; flex-wrap: wrap; gap: .2rem .9rem; margin: 0; padding: 0; border: 0; }
legend { float: left; margin-right: .7rem; color: var(--soft); }
label { display: inline-flex; align-items: center; gap: .35rem; cursor: pointer; }
input[type=search], button { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 7px; padding: .28rem .65rem; }
button { cursor: pointer; } button:hover { border-color: var(--plain); }
input[type=checkbox] { accent-color: var(--plain); }
.count { margin-left: auto; color: var(--soft); font-variant-numeric: tabular-nums; }
main { overflow-x: auto; padding-bottom: 3rem; }
.ladder { margin: 0; padding: 0; list-style: none; }
.rows { position: relative; isolation: isolate; }
.rows[data-columns="1"], .rows[data-columns="2"] { max-width: 1000px; }
.lives { position: absolute; inset: 0 0 auto 6.2rem; z-index: -1; width: calc(100% - 6.2rem); height: 100%; }
.columns, summary { display: grid; grid-template-columns: 6.2rem 1fr; align-items: stretch; }
.columns { position: sticky; top: 0; z-index: 1; background: var(--ground); padding-top: .8rem; }
.columns svg, summary svg { display: block; width: 100%; overflow: visible; }
summary { list-style: none; cursor: pointer; }
summary::-webkit-details-marker { display: none; }
summary .time { align-self: center; padding-left: 1.5rem; color: var(--soft); font: 12.5px ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-variant-numeric: tabular-nums; }
summary:hover { --halo: color-mix(in srgb, var(--plain) 7%, var(--ground)); background: color-mix(in srgb, var(--plain) 7%, transparent); }
summary:focus-visible { outline: 2px solid var(--plain); outline-offset: -2px; border-radius: 6px; }
details[open] > summary { --halo: color-mix(in srgb, var(--plain) 10%, var(--ground)); background: color-mix(in srgb, var(--plain) 10%, transparent); }
.layers { margin: 0 1.5rem 0 6.2rem; background: var(--ground); padding: .9rem 0 1.2rem; }
.layer { border-left: 3px solid var(--plain); padding: .1rem 0 .1rem .9rem; }
.layer .layer { margin-top: .7rem; border-left-color: var(--opened); }
.layer .layer .layer { border-left-color: var(--handshake); }
.layer h2 { margin: 0; font-size: .78rem; font-weight: 650; letter-spacing: .05em; text-transform: uppercase; color: var(--soft); }
pre { margin: .3rem 0 0; padding: .65rem .8rem; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; font: 12.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.defs { position: absolute; width: 0; height: 0; }
@media print {
  :root { --ground: #fff; --panel: #fff; --ink: #000; --soft: #444; --line: #bbb; --plain: #26476f; --opened: #0d5c2b; --sealed: #8a3e05; --handshake: #5321ab; --remark: #9b0f2d; }
  .tools, .hint { display: none; }
  .columns { position: static; }
  main { overflow: visible; }
  .message { break-inside: avoid; }
}
${drawing}`;
