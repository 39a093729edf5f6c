/**
 * The child's end of `ServerProcess`: tells the port, answers `cpu`, stops at `stop` or when the parent is gone.
 *
 * @param port - on 127.0.0.1
 * @param close - what has to be tidied up
 */
export function serve(port: number, close: () => Promise<void> | void): void {
  const stop = async (): Promise<void> => {
    await close();
    process.exit(0);
  };
  process.on('message', (message) => {
    if (message === 'cpu') process.send!({ cpu: cpuTime() });
    else void stop();
  });
  process.on('disconnect', () => void stop());
  process.send!({ port });
}

function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
