import { pageScript } from './script.ts';
import { pageStyle } from './style.ts';

/** A page, and what of it a Content Security Policy lets in by its hash. */
export interface Page {
  readonly html: string;
  readonly styles: readonly string[];
  readonly scripts: readonly string[];
}

/** What a person is asked. */
export interface LoginPrompt {
  /** `login` asks for a name and a password; `consent` asks somebody who is signed in whether the application may have what it asks for. */
  readonly kind: 'login' | 'consent';
  /** Where the form goes. */
  readonly action: string;
  /** Ties the form to the interaction. */
  readonly token: string;
  /** The application by its name. */
  readonly application: string;
  /** What it asks for: VAL services, or scopes. */
  readonly services: readonly string[];
  /** The user who is signed in, or the name that was typed before. */
  readonly username?: string;
  /** What was wrong with the form before. */
  readonly problem?: { readonly kind: 'credentials' } | { readonly kind: 'locked'; readonly seconds: number };
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text that stays text in HTML and in its attributes. Control characters, and what would turn the direction of the words beside it, are replaced. */
function escapeHtml(text: string): string {
  return text.replace(/[\p{Cc}\p{Cs}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '\ufffd').replace(/[&<>"']/g, (character) => entities[character]!);
}

const mark = `<svg class="mark" viewBox="0 0 44 44" aria-hidden="true"><path fill="currentColor" d="M22 2 39 8.6v12.6C39 31 32 38.6 22 42 12 38.6 5 31 5 21.2V8.6z"/><path class="core" d="M22 13.5a5.5 5.5 0 0 0-2.4 10.45V30.5h4.8v-6.55A5.5 5.5 0 0 0 22 13.5z"/></svg>`;
const warning = `<svg viewBox="0 0 18 18" aria-hidden="true"><path fill="currentColor" d="M9 1a8 8 0 1 0 0 16A8 8 0 0 0 9 1zm-.9 4h1.8v5H8.1zm.9 6.4a1.1 1.1 0 1 1 0 2.2 1.1 1.1 0 0 1 0-2.2z"/></svg>`;

function document(title: string, content: string, scripts: readonly string[]): Page {
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${pageStyle}</style>
</head>
<body>
<main>
${mark}
${content}
</main>
${scripts.map((script) => `<script>${script}</script>\n`).join('')}</body>
</html>
`;
  return { html, styles: [pageStyle], scripts };
}

/** A time to wait, as one says it. */
function waitText(seconds: number): string {
  if (seconds > 90) return `${Math.ceil(seconds / 60)} minutes`;
  return seconds === 1 ? '1 second' : `${seconds} seconds`;
}

function problemText(problem: NonNullable<LoginPrompt['problem']>): string {
  if (problem.kind === 'credentials') return 'The user name or the password is not right. Check both and try again.';
  return `There were too many attempts. Wait ${waitText(problem.seconds)}, then try again.`;
}

/** The page on which a VAL user signs in, or allows what an application asks for. Every value is escaped; it says nothing of whether a user exists. */
export function loginPage(prompt: LoginPrompt): Page {
  const { kind, action, token, services, problem } = prompt;
  const application = `<strong>${escapeHtml(prompt.application)}</strong>`;
  const asks =
    services.length === 0
      ? ''
      : `<section class="asks" aria-labelledby="asks"><h2 id="asks">It asks for</h2><ul>${services.map((one) => `<li>${escapeHtml(one)}</li>`).join('')}</ul></section>`;
  const wait = problem?.kind === 'locked' ? ` data-wait="${problem.seconds}"` : '';
  const said = problem === undefined ? '' : `<div class="wrong">${warning}<p>${problemText(problem)}</p></div>`;
  const wrong = `<div role="alert" aria-live="assertive" id="problem"${wait}>${said}</div>`;
  const opening = `<form method="post" action="${escapeHtml(action)}"><input type="hidden" name="token" value="${escapeHtml(token)}">`;
  const username = escapeHtml(prompt.username ?? '');
  if (kind === 'consent') {
    const content = `<h1>Continue?</h1>
<p>You are signed in as <strong>${username}</strong>. Go on to ${application}?</p>
${asks}
${opening}
<button class="go" name="answer" value="allow" data-sending="One moment"><span>Continue</span></button>
<button class="other" name="answer" value="cancel">Cancel</button>
</form>`;
    return document('Continue?', content, [pageScript]);
  }
  const invalid = problem?.kind === 'credentials' ? ' aria-invalid="true" aria-describedby="problem"' : '';
  const [first, second] = username === '' ? [' autofocus', ''] : ['', ' autofocus'];
  const content = `<h1>Sign in</h1>
<p>to go on to ${application}</p>
${asks}
${wrong}
${opening}
<label for="username">User name</label>
<div class="field"><input id="username" name="username" type="text" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="255" required value="${username}"${invalid}${first}></div>
<label for="password">Password</label>
<div class="field"><input id="password" name="password" type="password" autocomplete="current-password" maxlength="1024" required${invalid}${second}><button class="toggle" type="button" aria-controls="password" aria-label="Show password" hidden>Show</button></div>
<p class="hint" id="caps" role="status" hidden>Caps Lock is on.</p>
<button class="go" name="answer" value="sign-in" data-sending="Signing in"><span>Sign in</span></button>
<button class="other" name="answer" value="cancel" formnovalidate>Cancel</button>
</form>`;
  return document(problem === undefined ? 'Sign in' : 'Not signed in: try again', content, [pageScript]);
}

/** A page that says why there is nothing to fill in. */
export function noticePage(title: string, ...paragraphs: readonly string[]): Page {
  const content = `<h1>${escapeHtml(title)}</h1>\n${paragraphs.map((text) => `<p>${escapeHtml(text)}</p>`).join('\n')}`;
  return document(escapeHtml(title), content, []);
}
