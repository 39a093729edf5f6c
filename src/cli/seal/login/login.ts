import { spawn } from 'node:child_process';
import { logInByBrowser, logInByForm, type OpenIdLogin, OpenIdSimC } from '../../../../profiles/seal/https/index.ts';
import { valClaims } from '../../../../profiles/seal/index.ts';
import { systemEnv } from '../../../core/env.ts';
import { printable, printableJson } from '../../../core/printable.ts';
import { loadClientConfig, type OpenIdClientConfig } from '../../../operate/index.ts';
import { openStore, type Store } from '../../../store/index.ts';
import { fetchHttps, type HttpsRequestInit, type TlsClientOptions } from '../../../transport/index.ts';
import { configPath } from '../../config-path.ts';
import { ExitCode, UsageError } from '../../exit.ts';
import { passwordOf } from '../../password/prompt.ts';
import { err, out, waiting } from '../../terminal.ts';

export interface LoginFlags {
  readonly config: string;
  readonly open?: boolean;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly scope?: string;
  /** Seconds. */
  readonly timeout?: number;
  readonly status?: boolean;
  readonly refresh?: boolean;
  readonly logout?: boolean;
  readonly json?: boolean;
}

/** `ace-coap seal login` */
export async function loginCommand(flags: LoginFlags): Promise<void> {
  const { username, passwordFile, open } = flags;
  if (passwordFile !== undefined && username === undefined) throw new UsageError('--password-file: expected --username with it, got none');
  if (open === true && username !== undefined) throw new UsageError('expected one of --open and --username, got both');
  const { seal, store: place, file } = loadClientConfig(configPath(flags.config));
  if (seal?.openid === undefined) throw new UsageError(`${file}: expected a section seal.openid, got none`);
  const store = await openStore(place);
  try {
    await act(flags, seal.openid, store);
  } finally {
    await store.close();
  }
}

async function act(flags: LoginFlags, config: OpenIdClientConfig, store: Store): Promise<void> {
  const { ca, ...options } = config;
  const tls = ca === undefined ? {} : { ca };
  const simC = new OpenIdSimC({ ...options, store, tls });
  const { issuer } = config;
  if (flags.logout === true) {
    await waiting(`asking ${issuer} to revoke the tokens`, flags.json, () => simC.logout());
    console.log(flags.json === true ? JSON.stringify({ logged_in: false }) : 'nobody is logged in any more');
    return;
  }
  const login = flags.status === true ? await simC.login() : await (flags.refresh === true ? simC.refresh() : logIn(flags, simC, config, tls));
  print(login, flags);
}

async function logIn(flags: LoginFlags, simC: OpenIdSimC, { redirectUri, issuer }: OpenIdClientConfig, tls: TlsClientOptions): Promise<OpenIdLogin> {
  const { username, passwordFile, scope, timeout } = flags;
  const request = { ...(scope === undefined ? {} : { scope }), ...(username === undefined ? {} : { loginHint: username }) };
  if (username !== undefined) {
    const password = await passwordOf(username, passwordFile);
    return waiting(`logging ${username} in at ${issuer}`, flags.json, async () => {
      const fetch = (uri: string, init: HttpsRequestInit = {}): ReturnType<typeof fetchHttps> => fetchHttps(uri, { ...tls, ...init });
      const answer = await logInByForm({ uri: await simC.authorizationUri(request), redirectUri, username, password, fetch });
      // It was asked for just now, and is taken once.
      return (await simC.callback(answer))!;
    });
  }
  let shown = (): void => {};
  const present = (uri: string): Promise<void> => {
    console.error(`Open this in a browser, and sign in there:\n\n  ${err('cyan', printable(uri))}\n`);
    if (flags.open === true) openBrowser(uri);
    shown();
    return Promise.resolve();
  };
  const presented = new Promise<void>((resolve) => {
    shown = resolve;
  });
  const login = logInByBrowser({ simC, redirectUri, present, request, env: systemEnv, ...(timeout === undefined ? {} : { timeout: 1000 * timeout }) });
  // A spinner would be in the way of the URI.
  await Promise.race([presented, login]);
  return waiting('waiting for the browser', flags.json, () => login);
}

/** What a desktop has for it; where there is none, the URI is there to be opened by hand. */
function openBrowser(uri: string): void {
  const [command, ...words] =
    process.platform === 'darwin' ? ['open'] : process.platform === 'win32' ? ['rundll32', 'url.dll,FileProtocolHandler'] : ['xdg-open'];
  const child = spawn(command!, [...words, uri], { stdio: 'ignore', detached: true });
  child.on('error', () => console.error(err('yellow', `${command} cannot be run: open the URI by hand`)));
  child.unref();
}

function print(login: OpenIdLogin | undefined, { json }: LoginFlags): void {
  if (login === undefined) {
    console.log(json === true ? JSON.stringify({ logged_in: false }) : 'nobody is logged in');
    process.exitCode = ExitCode.refused;
    return;
  }
  const { subject, valServiceIds, scope, expiresAt, isLasting, claims } = login;
  const left = Math.floor(expiresAt - systemEnv.epoch());
  const user = claims[valClaims.valUserId.name];
  const named = typeof user === 'string' ? { val_user_id: user } : {};
  if (json === true) {
    const fields = { logged_in: true, subject, ...named, val_service_ids: valServiceIds, scope };
    console.log(printableJson({ ...fields, expires_in: left, refresh_token: isLasting }));
    return;
  }
  const until = left > 0 ? `for ${left} s` : 'no more';
  const facts = [`scope ${scope}`, `access token good ${until}`, isLasting ? 'with a refresh token' : 'without a refresh token'];
  console.log(`${out('green', 'logged in')} as ${out('bold', printable(named.val_user_id ?? subject))}`);
  console.log(`VAL services: ${valServiceIds.length === 0 ? 'none' : printable(valServiceIds.join(', '))}`);
  console.error(err('dim', printable(facts.join(', '))));
}
