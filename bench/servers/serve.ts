/**
 * The child's end of `ServerProcess`: tells the port, answers `cpu` and what else is asked, stops at `stop` or when the parent is gone.
 *
 * @param port - on 127.0.0.1; 0 where there is none
 * @param close - what has to be tidied up
 * @param answers - by question; a number may stand behind it
 */
export function serve(
  port: number,
  close: () => Promise<void> | void,
  answers: Readonly<Record<string, (count: number) => object | Promise<object>>> = {},
): void {
  const stop = async (): Promise<void> => {
    await close();
    process.exit(0);
  };
  process.on('message', (message: string) => {
    if (message === 'cpu') process.send!({ cpu: cpuTime() });
    else if (message === 'stop') void stop();
    else {
      const [question, count] = message.split(' ');
      void Promise.resolve(answers[question!]!(Number(count))).then((answer) => process.send!(answer));
    }
  });
  process.on('disconnect', () => void stop());
  process.send!({ port });
}

function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
