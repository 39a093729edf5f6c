import { type Command, Option } from 'commander';
import { examples, seconds } from '../../usage.ts';
import type { LoginFlags } from './login.ts';

const help = `
The section seal.openid of client.yaml tells how: issuer, client_id, client_secret_file, redirect_uri (http://127.0.0.1:PORT/PATH, where this command listens),
scope and ca_file. Open the URI that is printed in a browser, and sign in there. With --username there is no browser: the login page of ace-coap is filled in with
a password of ACE_COAP_PASSWORD, a file or the terminal. The tokens are kept in the store of the client, and never printed.`;

/** `ace-coap seal login`: log a VAL user in with OpenID Connect (TS 33.434, Annex A). */
export function addLogin(seal: Command): void {
  const alone = (flags: string, description: string, ...others: readonly string[]): Option =>
    new Option(flags, description).conflicts(['open', 'username', 'passwordFile', 'scope', 'timeout', ...others]);
  seal
    .command('login')
    .description('log a VAL user in over HTTPS, in a browser, and keep the tokens')
    .requiredOption('-c, --config <path>', 'lab folder or client.yaml')
    .option('--open', 'open the browser of this machine')
    .option('--username <name>', 'VAL user to log in without a browser')
    .option('--password-file <file>', 'file with the password, or - for standard input; absent: ACE_COAP_PASSWORD, or it is asked for')
    .option('--scope <names>', 'what to ask for, instead of what the configuration says')
    .option('--timeout <seconds>', 'give up after this time (300; exit code 3)', seconds)
    .addOption(alone('--status', 'show who is logged in, and ask nobody', 'refresh', 'logout'))
    .addOption(alone('--refresh', 'get new tokens without the user', 'logout'))
    .addOption(alone('--logout', 'have the tokens revoked, and forget them'))
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `${help}\n${examples('ace-coap seal login --config lab', 'ACE_COAP_PASSWORD=... ace-coap seal login --username anna@val.example --config lab --json', 'ace-coap seal login --status --config lab')}`,
    )
    .action(async (flags: LoginFlags) => (await import('./login.ts')).loginCommand(flags));
}
