import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root } from '../support/fixtures.ts';
import { findPostgres } from './postgres/server.ts';

/** The version that the cases were proved with. */
const aiocoapVersion = '0.4.17';

const cache = join(root, 'node_modules', '.cache', 'ace-coap');
const venv = join(cache, 'venv');

/** The Python that has aiocoap. */
export const python: string = join(venv, 'bin', 'python');
export const coapClient = 'coap-client-notls';
export const coapServer = 'coap-server-notls';

/** A peer cannot be had; the message says what to do. */
export class ToolError extends Error {}

interface Outcome {
  readonly ok: boolean;
  readonly text: string;
}

function run(command: string, ...args: string[]): Outcome {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
  return { ok: status === 0, text: `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}` };
}

function available(command: string): boolean {
  return run('sh', '-c', `command -v ${command}`).ok;
}

/** Install Debian packages, which takes root. */
function installPackages(why: string, ...packages: string[]): void {
  const byHand = `install ${packages.join(' ')} (Debian, Ubuntu: apt-get install ${packages.join(' ')})`;
  if (process.getuid?.() !== 0) throw new ToolError(`${why}: ${byHand}; only root can do it from here`);
  if (!available('apt-get')) throw new ToolError(`${why}, and there is no apt-get here: ${byHand}`);
  console.log(`${why}: installing ${packages.join(' ')}`);
  const update = run('apt-get', 'update');
  const install = run('apt-get', 'install', '--yes', '--no-install-recommends', ...packages);
  if (!install.ok) throw new ToolError(`${why}; apt-get install ${packages.join(' ')} failed:\n${update.ok ? '' : update.text}${install.text}`);
}

/** The client and the server of libcoap, and their version. */
export function provideLibcoap(): string {
  const missing = [coapClient, coapServer].filter((command) => !available(command));
  if (missing.length > 0) installPackages(`${missing.join(' and ')} not found`, 'libcoap3-bin');
  // It has no option for this: the text that tells how to use it begins with the version.
  const version = /^coap-client\S* v(\S+)/m.exec(run(coapClient).text)?.[1];
  if (version === undefined) throw new ToolError(`${coapClient} does not tell its version: is it the one of libcoap?`);
  return version;
}

/** OpenSSL's command, and its version. */
export function provideOpenssl(): string {
  if (!available('openssl')) installPackages('openssl not found', 'openssl');
  return run('openssl', 'version').text.trim();
}

/** GnuTLS's client and server with the tools that give them a network of their own, and its version. */
export function provideGnutls(): string {
  const packages = { 'gnutls-serv': 'gnutls-bin', 'gnutls-cli': 'gnutls-bin', unshare: 'util-linux', ip: 'iproute2' } as const;
  const missing = Object.entries(packages).filter(([command]) => !available(command));
  if (missing.length > 0) installPackages(`${missing.map(([command]) => command).join(' and ')} not found`, ...new Set(missing.map(([, name]) => name)));
  const version = /^gnutls-cli (\S+)/m.exec(run('gnutls-cli', '--version').text)?.[1];
  if (version === undefined) throw new ToolError('gnutls-cli does not tell its version: is it the one of GnuTLS?');
  return version;
}

/** Debian's Chromium, which the page of `inspect` is looked at with. */
export const chromium = '/usr/bin/chromium';

/** The browser, and its version. */
export function provideChromium(): string {
  if (!available(chromium)) installPackages('chromium not found', 'chromium');
  const version = /^Chromium (\S+)/m.exec(run(chromium, '--version').text)?.[1];
  if (version === undefined) throw new ToolError('chromium does not tell its version: is it the one of Debian?');
  return version;
}

/** Wireshark on a command line, and its version. */
export function provideTshark(): string {
  if (!available('tshark')) installPackages('tshark not found', 'tshark');
  const version = /^TShark \(Wireshark\) (\S+)/m.exec(run('tshark', '--version').text)?.[1];
  if (version === undefined) throw new ToolError('tshark does not tell its version: is it the one of Wireshark?');
  return version;
}

/** What reads units of systemd without one that runs, and its version. */
export function provideSystemd(): string {
  if (!available('systemd-analyze')) installPackages('systemd-analyze not found', 'systemd');
  return run('systemd-analyze', '--version').text.split('\n')[0]!;
}

/** zsh and fish, and their versions. */
export function provideShells(): string {
  const missing = ['zsh', 'fish'].filter((command) => !available(command));
  if (missing.length > 0) installPackages(`${missing.join(' and ')} not found`, ...missing);
  return ['zsh', 'fish'].map((command) => run(command, '--version').text.trim()).join(', ');
}

/** The peer of `pion/main.go`, once it is built. */
export const pionPeer: string = join(cache, 'pion-peer');

/** pion/dtls in a program of ours, and its version. Debian's Go builds it. */
export function providePion(): string {
  if (!available('go')) installPackages('go not found', 'golang-go');
  const folder = join(root, 'test', 'interop', 'pion');
  // Go 1.19 has no option for the folder.
  const built = run('sh', '-c', 'cd "$0" && go build -o "$1" .', folder, pionPeer);
  if (!built.ok) throw new ToolError(`go build of ${folder} failed:\n${built.text}`);
  return /pion\/dtls\/v3 (\S+)/.exec(readFileSync(join(folder, 'go.mod'), 'utf8'))![1]!;
}

const dcafSources = join(root, 'test', 'interop', 'dcaf');
const dcafBuild = join(cache, 'dcaf');

/** The peer of `dcaf/src`, once it is built. */
export const dcafPeer: string = join(dcafBuild, 'target', 'debug', 'dcaf-peer');

/** dcaf in a program of ours, and its version. It is built in the cache, since cargo writes beside the sources. */
export function provideDcaf(): string {
  if (!available('cargo')) {
    // Debian 12 has a cargo that is too old, and a newer one by another name.
    const isThere = run('apt-cache', 'show', 'cargo-web').ok;
    installPackages('cargo not found', ...(isThere ? ['cargo-web', 'rustc-web'] : ['cargo']));
  }
  mkdirSync(dcafBuild, { recursive: true });
  cpSync(dcafSources, dcafBuild, { recursive: true, preserveTimestamps: true });
  const built = run('cargo', 'build', '--quiet', '--manifest-path', join(dcafBuild, 'Cargo.toml'), '--target-dir', join(dcafBuild, 'target'));
  if (!built.ok) throw new ToolError(`cargo build of ${dcafSources} failed:\n${built.text}`);
  return /^dcaf = "=(.+)"/m.exec(readFileSync(join(dcafSources, 'Cargo.toml'), 'utf8'))![1]!;
}

const probe = `
import platform, importlib.metadata as metadata, aiocoap.oscore, aiocoap.oscore_sitewrapper, cbor2, websockets
print(metadata.version("aiocoap"), platform.python_version())
`;

/** aiocoap with its OSCORE part, in a Python environment of its own, and the versions of both. */
export function provideAiocoap(): { readonly aiocoap: string; readonly python: string } {
  let found = run(python, '-c', probe);
  if (!found.ok || !found.text.startsWith(`${aiocoapVersion} `)) {
    if (!run('python3', '-c', 'import venv, ensurepip').ok) installPackages('python3 with venv not found', 'python3', 'python3-venv');
    console.log(`aiocoap ${aiocoapVersion} not found: installing it`);
    const made = run('python3', '-m', 'venv', '--clear', venv);
    if (!made.ok) throw new ToolError(`python3 -m venv ${venv} failed:\n${made.text}`);
    const installed = run(python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `aiocoap[oscore,ws]==${aiocoapVersion}`);
    if (!installed.ok) throw new ToolError(`pip install aiocoap[oscore,ws]==${aiocoapVersion} failed:\n${installed.text}`);
    found = run(python, '-c', probe);
    if (!found.ok) throw new ToolError(`aiocoap was installed and does not load:\n${found.text}`);
  }
  const [aiocoap, version] = found.text.trim().split(' ');
  return { aiocoap: aiocoap!, python: version! };
}

/** The version that the schema of the vectors was proved with. */
const jsonschemaVersion = '4.26.0';

/** The Python package jsonschema, beside aiocoap, and its version. */
export function provideJsonschema(): string {
  const version = (): Outcome => run(python, '-c', 'import importlib.metadata as metadata, jsonschema; print(metadata.version("jsonschema"))');
  if (version().text.trim() !== jsonschemaVersion) {
    console.log(`jsonschema ${jsonschemaVersion} not found: installing it`);
    const installed = run(python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `jsonschema==${jsonschemaVersion}`);
    if (!installed.ok) throw new ToolError(`pip install jsonschema==${jsonschemaVersion} failed:\n${installed.text}`);
  }
  return jsonschemaVersion;
}

const javaSources = join(root, 'test', 'interop', 'californium');
const javaLibraries = join(cache, 'californium', 'lib');
const javaClasses = join(cache, 'californium', 'classes');

/** Where java finds Californium and what is compiled here. */
export const classPath: string = [javaClasses, join(javaLibraries, '*')].join(delimiter);

/** Nothing to do while the classes are younger than every source. */
function compileJava(): void {
  const sources = readdirSync(javaSources).map((name) => join(javaSources, name));
  const made = statSync(join(javaClasses, 'Peer.class'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (sources.every((source) => statSync(source).mtimeMs < made)) return;
  rmSync(javaClasses, { recursive: true, force: true });
  mkdirSync(javaClasses, { recursive: true });
  const compiled = run(
    'javac',
    '-Xlint:all',
    '-Werror',
    '-d',
    javaClasses,
    '-cp',
    join(javaLibraries, '*'),
    ...sources.filter((name) => name.endsWith('.java')),
  );
  if (!compiled.ok) throw new ToolError(`javac of ${javaSources} failed:\n${compiled.text}`);
}

/** The libraries of Californium by the name of their packages, our peer compiled against them, and the versions of Californium and Java. */
export function provideCalifornium(): { readonly californium: string; readonly java: string } {
  const pom = join(javaSources, 'pom.xml');
  const wanted = /<californium.version>(.+)<\/californium.version>/.exec(readFileSync(pom, 'utf8'))![1]!;
  if (!available('javac') || !run('java', '-version').ok) installPackages('java and javac not found', 'default-jdk-headless');
  if (!existsSync(join(javaLibraries, `cf-oscore-${wanted}.jar`))) {
    if (!available('mvn')) installPackages('mvn not found', 'maven');
    console.log(`Californium ${wanted} not found: installing it`);
    rmSync(javaLibraries, { recursive: true, force: true });
    const copied = run('mvn', '--batch-mode', '--quiet', '--file', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${javaLibraries}`);
    if (!copied.ok) throw new ToolError(`mvn dependency:copy-dependencies for Californium ${wanted} failed:\n${copied.text}`);
  }
  compileJava();
  return { californium: wanted, java: /version "(.+?)"/.exec(run('java', '-version').text)![1]! };
}

/** A development dependency; `npm ci` brought it. */
export function provideNodeCoap(): string {
  const file = join(root, 'node_modules', 'coap', 'package.json');
  if (!existsSync(file)) throw new ToolError('the npm package coap not found: run npm ci');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** PostgreSQL's server, and its version. */
export function providePostgres(): string {
  if (findPostgres() === undefined) installPackages('PostgreSQL not found', 'postgresql');
  const folder = findPostgres();
  if (folder === undefined) throw new ToolError('postgresql was installed, and its programs are not where Debian keeps them');
  return run(join(folder, 'postgres'), '--version').text.trim();
}

/** The newest that Node 20 runs. */
const nodeDtlsClientVersion = '1.1.1';
/** Where npm puts it: it is no dependency of ours. */
export const nodeDtlsClient: string = join(cache, 'node-dtls-client');

/** node-dtls-client by the name of its package, and its version. */
export function provideNodeDtlsClient(): string {
  const file = join(nodeDtlsClient, 'node_modules', 'node-dtls-client', 'package.json');
  const version = (): string | undefined => (existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version : undefined);
  if (version() !== nodeDtlsClientVersion) {
    console.log(`node-dtls-client ${nodeDtlsClientVersion} not found: installing it`);
    mkdirSync(nodeDtlsClient, { recursive: true });
    const installed = run('npm', 'install', '--prefix', nodeDtlsClient, '--no-audit', '--no-fund', '--save-exact', `node-dtls-client@${nodeDtlsClientVersion}`);
    if (!installed.ok) throw new ToolError(`npm install node-dtls-client@${nodeDtlsClientVersion} failed:\n${installed.text}`);
  }
  return nodeDtlsClientVersion;
}
