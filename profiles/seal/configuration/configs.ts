import { Members, unfit } from '../members.ts';

/** Types of configuration at most: there are three, and more may be defined. */
const most = 16;

/**
 * A list of ProfileConfig or UeConfig, each of another type (TS 24.546, C.2.1.3.2.3 and C.3.1.3.2.2).
 *
 * @throws {SealError} `ERR_SEAL_MODEL`
 */
export function readConfigs(members: Members, name: string): void {
  const types = members.list(
    name,
    (item, what) => {
      const config = new Members(item, what);
      config.dataText('configData');
      return config.text('configType');
    },
    { most },
  );
  if (new Set(types).size !== types.length) throw unfit(name, 'each configType once');
}
