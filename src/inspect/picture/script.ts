/** What a page does beyond what HTML does by itself: filters, and moving with the keyboard. Without it everything can be read. */
export const pageScript: string = `
const rows = [...document.querySelectorAll('.message')];
const tools = document.querySelector('.tools');
const search = tools.querySelector('input[type=search]');
const count = tools.querySelector('.count');
const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
function apply() {
  const off = new Set([...tools.querySelectorAll('input[type=checkbox]:not(:checked)')].map((box) => box.value));
  const wanted = search.value.trim().toLowerCase();
  let shown = 0;
  for (const row of rows) {
    row.hidden = row.dataset.of.split(' ').some((name) => off.has(name)) || !texts.get(row).includes(wanted);
    if (!row.hidden) shown++;
  }
  count.textContent = shown + ' of ' + rows.length + ' messages';
}
tools.addEventListener('input', apply);
tools.addEventListener('click', ({ target }) => {
  if (target.dataset.all === undefined) return;
  for (const row of rows) if (!row.hidden) row.open = target.dataset.all === 'open';
});
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target === search;
  if (event.key === '/' && !isTyping) {
    event.preventDefault();
    search.focus();
    return;
  }
  const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
  if (event.key === 'Escape') {
    const row = document.activeElement.closest('.message');
    if (row !== null) row.open = false;
    return;
  }
  if (step === undefined || isTyping) return;
  const visible = rows.filter((row) => !row.hidden);
  const at = visible.indexOf(document.activeElement.closest('.message'));
  const next = visible[at < 0 ? (step > 0 ? 0 : visible.length - 1) : at + step];
  if (next === undefined) return;
  event.preventDefault();
  next.querySelector('summary').focus();
});
tools.hidden = false;
apply();
`;
