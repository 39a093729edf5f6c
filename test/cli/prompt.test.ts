import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { passwordOf } from '../../src/cli/password/prompt.ts';

/** What is typed at a terminal, and what is asked there. */
function terminal(t: TestContext): { readonly keys: PassThrough; readonly shown: () => string } {
  const keys = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => keys });
  t.mock.getter(process, 'stdin', () => keys);
  const { mock } = t.mock.method(process.stderr, 'write', () => true);
  return { keys, shown: () => mock.calls.map(({ arguments: [text] }) => text).join('') };
}

test('a password that is asked for is not shown', async (t) => {
  const { keys, shown } = terminal(t);
  keys.write('sesame\r');
  assert.equal(await passwordOf('anna', undefined), 'sesame');
  assert.equal(shown(), 'password of anna: \n');
});

test('Ctrl-C where a password is asked for is the signal that it is elsewhere', async (t) => {
  const { keys } = terminal(t);
  const { mock } = t.mock.method(process, 'kill', () => true);
  keys.write('ses\x03');
  await assert.rejects(passwordOf('anna', undefined), { code: 'ERR_CLI_USAGE' });
  assert.deepEqual(
    mock.calls.map(({ arguments: words }) => words),
    [[process.pid, 'SIGINT']],
  );
});

test('the end of the input where a password is asked for is wrong use', async (t) => {
  const { keys } = terminal(t);
  keys.write('\x04');
  await assert.rejects(passwordOf('anna', undefined), { code: 'ERR_CLI_USAGE', message: 'password of anna: expected a password, got the end of the input' });
});
