/** What a port for metrics answers. */
export async function scrape(port: number, path = '/metrics'): Promise<{ readonly status: number; readonly text: string }> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return { status: response.status, text: await response.text() };
}

/** The value of a series, by its name and labels; 0: it is not there. */
export async function sample(port: number, series: string): Promise<number> {
  const { text } = await scrape(port);
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1) ?? 0);
}
