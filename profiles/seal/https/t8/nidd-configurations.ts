import type { DocumentTable } from '../../index.ts';
import { mergePatch, type T8Answer, type T8Context, type T8Request, tableOf } from './context.ts';
import { Fields, isBoolean, isText } from './fields.ts';
import type { JsonObject } from './json.ts';
import { patchedBy, resourceOf, sendTestNotification, type T8Resource } from './resource-fields.ts';
import { absent, methodRefused } from './t8-error.ts';

/** What to do when a device cannot be reached (TS 29.122, 5.6.2.3.3). */
export type PdnEstablishmentOption = 'WAIT_FOR_UE' | 'INDICATE_ERROR' | 'SEND_TRIGGER';

/** An agreement on data for a device. */
export interface NiddConfiguration extends T8Resource {
  /** RFC 3339: until when it is good. */
  readonly duration?: string;
  readonly pdnEstablishmentOption?: PdnEstablishmentOption;
}

export const api = 'nidd';
export const pdnEstablishmentOptions = ['WAIT_FOR_UE', 'INDICATE_ERROR', 'SEND_TRIGGER'] as const;
const patchable = ['duration', 'reliableDataService', 'pdnEstablishmentOption', 'notificationDestination'];
const dateTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i;

/** The reliable data service (TS 24.250) is not there: CoAP acknowledges by itself. */
export function refuseReliableDataService(fields: Fields): void {
  if (fields.optional('reliableDataService', 'false', isBoolean) === true)
    fields.refuse('reliableDataService', 'false, since there is no reliable data service');
  if (fields.has('rdsPort') || fields.has('rdsPorts'))
    fields.refuse(fields.has('rdsPort') ? 'rdsPort' : 'rdsPorts', 'none, since there is no reliable data service');
}

/** `/3gpp-nidd/v1/{scsAsId}/configurations[/{id}]` */
export class NiddConfigurations {
  readonly table: DocumentTable<NiddConfiguration>;
  readonly #context: T8Context;
  readonly #pending: (id: string) => readonly unknown[];
  readonly #dropped: (id: string) => Promise<void>;

  /** @param pending - the deliveries under a configuration; `dropped` takes them back */
  constructor(context: T8Context, pending: (id: string) => readonly unknown[], dropped: (id: string) => Promise<void>) {
    this.#context = context;
    this.#pending = pending;
    this.#dropped = dropped;
    this.table = tableOf(context, 't8/nidd/configurations/');
  }

  /** End those whose time is over, and say so. */
  async sweep(): Promise<void> {
    const { outbox } = this.#context;
    const over = [...this.table.values()].filter(({ value }) => this.#isOver(value));
    for (const { id, value } of over) {
      await this.#drop(id);
      const { scsAsId, name, notificationDestination: destination } = value;
      await outbox.send({ scsAsId, destination, body: JSON.stringify({ niddConfiguration: this.uri(id, value), ...name, status: 'TERMINATED' }) });
    }
  }

  /** The configuration, unless its time is over. */
  find(id: string): NiddConfiguration | undefined {
    const value = this.table.get(id)?.value;
    return value === undefined || this.#isOver(value) ? undefined : value;
  }

  /** The same, of this SCS/AS. */
  owned(id: string, scsAsId: string): NiddConfiguration {
    const found = this.find(id);
    if (found?.scsAsId !== scsAsId) throw absent('a resource');
    return found;
  }

  async serve(request: T8Request): Promise<T8Answer> {
    const { method, scsAsId, segments } = request;
    const [id] = segments;
    if (id === undefined) {
      if (method === 'GET') return { status: 200, body: this.#all(scsAsId) };
      if (method === 'POST') return this.#create(request);
      throw methodRefused('GET, POST');
    }
    const configuration = this.owned(id, scsAsId);
    if (method === 'GET') return { status: 200, body: this.#shown(id, configuration) };
    if (method === 'PATCH') return this.#patch(id, scsAsId, await request.json(mergePatch));
    if (method === 'DELETE') {
      await this.#drop(id);
      return { status: 204 };
    }
    throw methodRefused('GET, PATCH, DELETE');
  }

  uri(id: string, { scsAsId }: NiddConfiguration): string {
    return `${this.#context.apiRoot}/3gpp-nidd/v1/${encodeURIComponent(scsAsId)}/configurations/${id}`;
  }

  #isOver({ duration }: NiddConfiguration): boolean {
    return duration !== undefined && Date.parse(duration) / 1000 <= this.#context.env.epoch();
  }

  #all(scsAsId: string): readonly JsonObject[] {
    return [...this.table.values()].flatMap(({ id, value }) => (value.scsAsId === scsAsId && !this.#isOver(value) ? [this.#shown(id, value)] : []));
  }

  async #create({ scsAsId, json }: T8Request): Promise<T8Answer> {
    const body = await json();
    const { id, value } = await this.table.create(await this.#read(scsAsId, body));
    const location = this.uri(id, value);
    await sendTestNotification(this.#context, value, body, location);
    return { status: 201, location, body: this.#shown(id, value) };
  }

  async #patch(id: string, scsAsId: string, patch: JsonObject): Promise<T8Answer> {
    // As it is now: it may have changed while the body came in.
    const { scsAsId: _owner, name, device: _device, ...members } = this.owned(id, scsAsId);
    const configuration = await this.#read(scsAsId, patchedBy(patch, { ...name, ...members }, patchable));
    await this.table.change(id, () => configuration);
    return { status: 200, body: this.#shown(id, configuration) };
  }

  async #drop(id: string): Promise<void> {
    await this.#dropped(id);
    await this.table.change(id, () => undefined);
  }

  async #read(scsAsId: string, body: JsonObject): Promise<NiddConfiguration> {
    const { env } = this.#context;
    const fields = new Fields(body);
    const duration = fields.optional(
      'duration',
      'a date and time to come',
      isText((text) => dateTime.test(text) && Date.parse(text) / 1000 > env.epoch()),
    );
    const pdnEstablishmentOption = fields.optionalOneOf('pdnEstablishmentOption', pdnEstablishmentOptions);
    refuseReliableDataService(fields);
    if (fields.has('niddDownlinkDataTransfers')) fields.refuse('niddDownlinkDataTransfers', 'none: data is sent to downlink-data-deliveries');
    return {
      ...(await resourceOf(this.#context, scsAsId, api, fields)),
      ...(duration === undefined ? {} : { duration }),
      ...(pdnEstablishmentOption === undefined ? {} : { pdnEstablishmentOption }),
    };
  }

  #shown(id: string, configuration: NiddConfiguration): JsonObject {
    const { scsAsId: _owner, name, device: _device, ...members } = configuration;
    const transfers = this.#pending(id);
    return {
      self: this.uri(id, configuration),
      ...name,
      ...members,
      reliableDataService: false,
      // In bits (TS 29.122, 5.6.2.1.2).
      maximumPacketSize: 8 * this.#context.limits.payload,
      ...(transfers.length === 0 ? {} : { niddDownlinkDataTransfers: transfers }),
      status: 'ACTIVE',
    };
  }
}
