/** How the pages look: light and dark, from a phone on. */
export const pageStyle = `
:root {
  color-scheme: light dark;
  --ground: #eef1f6; --glow: #dbe7ff; --card: #ffffff; --edge: #d8dee8; --ink: #17202e; --soft: #55617a; --field: #ffffff; --field-edge: #8a94a8;
  --accent: #1f4fd1; --accent-strong: #173ea8; --on-accent: #ffffff; --chip: #eaf0fd; --chip-ink: #1c3f9c;
  --wrong: #a8161b; --wrong-ground: #fdeceb; --wrong-edge: #e9b4b2; --shadow: 0 1px 2px rgb(16 24 40 / 6%), 0 12px 32px rgb(16 24 40 / 10%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0d1118; --glow: #16233f; --card: #161c26; --edge: #2a3342; --ink: #e8ecf3; --soft: #a3aec2; --field: #0f141c; --field-edge: #68748a;
    --accent: #8fb2ff; --accent-strong: #b3caff; --on-accent: #0b1738; --chip: #1d2a45; --chip-ink: #b9cdff;
    --wrong: #ffb3ae; --wrong-ground: #351a1c; --wrong-edge: #6d3335; --shadow: 0 1px 2px rgb(0 0 0 / 40%), 0 16px 40px rgb(0 0 0 / 45%);
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; min-height: 100vh; min-height: 100dvh; display: grid; place-items: center; padding: 24px 16px;
  background: radial-gradient(60rem 32rem at 50% -8rem, var(--glow), transparent), var(--ground);
  color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif;
}
main {
  width: 100%; max-width: 25.5rem; padding: 32px 36px 28px; background: var(--card); border: 1px solid var(--edge); border-radius: 18px; box-shadow: var(--shadow);
  overflow-wrap: anywhere;
}
.mark { display: block; width: 44px; height: 44px; margin: 0 0 14px -5px; color: var(--accent); }
.mark .core { fill: var(--card); }
h1 { margin: 0; font-size: 1.625rem; line-height: 1.25; font-weight: 650; letter-spacing: -0.015em; }
p { margin: 6px 0 0; color: var(--soft); }
p strong { color: var(--ink); font-weight: 600; }
.asks { margin: 18px 0 0; }
.asks h2 { margin: 0; font-size: 0.8125rem; font-weight: 600; color: var(--soft); }
.asks ul { list-style: none; display: flex; flex-wrap: wrap; gap: 6px; margin: 8px 0 0; padding: 0; }
.asks li { padding: 3px 10px; border-radius: 999px; background: var(--chip); color: var(--chip-ink); font-size: 0.875rem; font-weight: 500; }
.wrong, .ready {
  display: flex; gap: 10px; margin: 20px 0 0; padding: 11px 14px; border: 1px solid var(--wrong-edge); border-radius: 10px; background: var(--wrong-ground);
  color: var(--wrong); font-size: 0.9375rem;
}
.ready { border-color: var(--edge); background: var(--chip); color: var(--chip-ink); }
.ready svg { display: none; }
.wrong svg { flex: none; width: 18px; height: 18px; margin-top: 3px; }
.wrong p, .ready p { margin: 0; color: inherit; }
form { margin: 22px 0 0; }
label { display: block; margin: 16px 0 6px; font-size: 0.9375rem; font-weight: 600; }
.field { position: relative; }
input {
  display: block; width: 100%; height: 48px; padding: 0 14px; border: 1px solid var(--field-edge); border-radius: 10px; background: var(--field); color: var(--ink);
  font: inherit; transition: border-color 120ms, box-shadow 120ms;
}
.has-toggle input { padding-right: 76px; }
input[aria-invalid] { border-color: var(--wrong); }
.hint { display: flex; align-items: center; gap: 6px; margin: 8px 0 0; font-size: 0.875rem; color: var(--ink); }
[hidden] { display: none !important; }
button { font: inherit; font-weight: 600; border-radius: 10px; cursor: pointer; transition: background-color 120ms, opacity 120ms; }
.toggle {
  position: absolute; top: 5px; right: 5px; height: 38px; padding: 0 12px; border: 0; border-radius: 7px; background: transparent; color: var(--accent);
  font-size: 0.875rem;
}
.toggle:hover { background: var(--chip); }
.go { display: flex; align-items: center; justify-content: center; gap: 10px; width: 100%; min-height: 48px; margin-top: 24px; border: 0; background: var(--accent); color: var(--on-accent); }
.go:hover { background: var(--accent-strong); }
.go[aria-disabled="true"] { opacity: 0.7; cursor: progress; }
.go[aria-disabled="true"]::before {
  content: ""; width: 16px; height: 16px; border: 2px solid currentcolor; border-right-color: transparent; border-radius: 50%; animation: turn 800ms linear infinite;
}
.other { display: block; width: 100%; min-height: 44px; margin-top: 8px; border: 0; background: transparent; color: var(--soft); }
.other:hover { background: var(--chip); color: var(--ink); }
input:focus-visible, button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
@keyframes turn { to { transform: rotate(1turn); } }
@media (max-width: 30rem) {
  body { padding: 0; background: var(--card); place-items: start center; }
  main { max-width: none; padding: 36px 22px 28px; border: 0; border-radius: 0; box-shadow: none; background: none; }
}
@media (prefers-reduced-motion: reduce) {
  * { transition: none !important; animation-duration: 3s !important; }
}
@media (forced-colors: active) {
  main, .go, .other, .toggle, .asks li { border: 1px solid; }
}
`;
