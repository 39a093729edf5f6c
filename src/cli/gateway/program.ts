import type { Command } from 'commander';
import { burstAndRate, examples, logLevel, seconds } from '../usage.ts';
import type { GatewayFlags } from './gateway.ts';

/** `ace-coap gateway`: HTTP clients reach CoAP servers (RFC 8075). */
export function addGateway(ace: Command): void {
  ace
    .command('gateway')
    .description('let HTTP clients reach CoAP servers, in the foreground (RFC 8075); Ctrl-C stops it')
    .option('--listen <uri>', 'http://127.0.0.1[:port] or https://address[:port]; plain HTTP is for loopback alone', 'http://127.0.0.1:8080')
    .option('--allow <target...>', 'servers that clients may name: host, host:port, host:* or *.domain, with or without coap:// or coaps://')
    .option('--reverse <path=uri...>', 'serve a path from a CoAP server: /things=coap://10.0.0.7/sensors')
    .option('-c, --config <path>', 'lab folder or client.yaml: requests go out with the tokens of this client; without it as plain CoAP')
    .option('--cert <file>', 'certificate of the gateway, PEM')
    .option('--key <file>', 'key of that certificate, PEM')
    .option('--client-ca <file>', 'certificates that clients have to show one of, PEM')
    .option('--issuer <uri>', 'clients have to show an access token of this issuer, a JWT (RFC 9068)')
    .option('--audience <name>', 'the gateway, as tokens name it')
    .option('--jwks <uri>', 'keys of the issuer: an https URI, or a file')
    .option('--jwks-ca <file>', 'what the server of --jwks is known by, PEM; absent: the authorities of the system')
    .option('--scope <scope>', 'what a token has to permit')
    .option('--anonymous', 'with https: whoever asks may have what --allow and --reverse permit')
    .option('--template <template>', 'how CoAP URIs stand in HTTP URIs (RFC 8075 Section 5.4)', '{+tu}')
    .option('--base <path>', 'the path before them', '/hc/')
    .option('--loose', 'take media types without a Content-Format as more general ones (RFC 8075 Section 6.3)')
    .option('--coap-payload', 'take application/coap-payload;cf=N (RFC 8075 Section 6.2)')
    .option('--rate <number>', 'requests per second of one client; more are answered with 429', seconds)
    .option(
      '--failures-per-client <burst,rate>',
      'wrong access tokens of one client that are looked at: so many at once, and per second after that; more are answered with 429 (20,0.0167)',
      burstAndRate,
    )
    .option('--failures-per-address <burst,rate>', 'the same of one address, whomever they name (100,0.0278)', burstAndRate)
    .option('--timeout <seconds>', 'how long to wait for a CoAP server; absent: defaults.timeout of client.yaml, or 120', seconds)
    .option('--host <name...>', 'other host names of this gateway; on loopback it goes by no others')
    .option('--name <name>', 'name in Via, by which a loop is known; absent: one by chance')
    .option('--no-cache', 'store nothing')
    .option('--metrics <address:port>', 'serve /metrics and /healthz there, such as 127.0.0.1:9464')
    .option('--metrics-public', 'also where others reach it')
    .option('--drain <seconds>', 'how long what is under way may take when it is told to stop (10)', seconds)
    .addOption(logLevel().default('info'))
    .option('--json', 'log JSON lines, also on a terminal')
    .addHelpText(
      'after',
      '\nSIGTERM or Ctrl-C answers what is under way and ends it, a second one ends it at once. SIGHUP reads certificates, keys and client.yaml again.',
    )
    .addHelpText(
      'after',
      examples(
        "ace-coap gateway --allow '127.0.0.1:*'   # then: curl http://127.0.0.1:8080/hc/coap://127.0.0.1:5683/temperature",
        'ace-coap gateway --reverse /rs=coap://127.0.0.1:5783 --config lab',
        'ace-coap gateway --listen https://127.0.0.1:8443 --cert gw.pem --key gw.key --client-ca ca.pem --reverse /rs=coap://127.0.0.1:5783 --config lab',
      ),
    )
    .action(async (flags: GatewayFlags) => (await import('./gateway.ts')).gatewayCommand(flags));
}
