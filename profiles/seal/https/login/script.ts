/** What the page does beside, where there is JavaScript: it shows the password, tells of Caps Lock and of the end of a wait, and sends a form once. */
export const pageScript = `
const form = document.querySelector('form');
const go = form.querySelector('.go');
const label = go.querySelector('span');
const text = label.textContent;
const password = document.getElementById('password');
const sending = (is) => {
  if (is) go.setAttribute('aria-disabled', 'true');
  else go.removeAttribute('aria-disabled');
  label.textContent = is ? go.dataset.sending : text;
};
form.addEventListener('submit', (event) => {
  if (go.hasAttribute('aria-disabled')) event.preventDefault();
  else if (event.submitter === null || event.submitter === go) sending(true);
});
// The page comes back from the cache of the browser as it was left.
addEventListener('pageshow', (event) => { if (event.persisted) sending(false); });
const locked = document.querySelector('[data-wait]');
if (locked !== null) {
  setTimeout(() => {
    locked.firstElementChild.className = 'ready';
    locked.querySelector('p').textContent = 'You can try again now.';
  }, locked.dataset.wait * 1000);
}
if (password !== null) {
  const toggle = document.querySelector('.toggle');
  const caps = document.getElementById('caps');
  const show = (is) => {
    password.type = is ? 'text' : 'password';
    toggle.textContent = is ? 'Hide' : 'Show';
    toggle.setAttribute('aria-label', toggle.textContent + ' password');
  };
  toggle.hidden = false;
  toggle.parentElement.classList.add('has-toggle');
  toggle.addEventListener('click', () => {
    show(password.type === 'password');
    password.focus();
  });
  form.addEventListener('submit', () => show(false));
  const look = (event) => { if (event.getModifierState) caps.hidden = !event.getModifierState('CapsLock'); };
  password.addEventListener('keydown', look);
  password.addEventListener('keyup', look);
  password.addEventListener('blur', () => { caps.hidden = true; });
}
`;
