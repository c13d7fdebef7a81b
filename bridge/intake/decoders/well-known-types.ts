/** Schemas import Google's own types by name, registries don't hold them, and the library doesn't add them. */

export interface ProtobufRoot {
  lookup(path: string): unknown;
  addJSON(nested: Record<string, unknown>): unknown;
}

const message = (fields: Record<string, unknown>): Record<string, unknown> => ({ fields });
const wrapper = (type: string): Record<string, unknown> => message({ value: { type, id: 1 } });
const secondsAndNanos = message({ seconds: { type: 'int64', id: 1 }, nanos: { type: 'int32', id: 2 } });

const TYPES: Readonly<Record<string, Record<string, unknown>>> = {
  Timestamp: secondsAndNanos,
  Duration: secondsAndNanos,
  Any: message({ type_url: { type: 'string', id: 1 }, value: { type: 'bytes', id: 2 } }),
  Empty: message({}),
  FieldMask: message({ paths: { rule: 'repeated', type: 'string', id: 1 } }),
  Struct: message({ fields: { keyType: 'string', type: 'Value', id: 1 } }),
  Value: {
    oneofs: {
      kind: { oneof: ['nullValue', 'numberValue', 'stringValue', 'boolValue', 'structValue', 'listValue'] },
    },
    ...message({
      nullValue: { type: 'NullValue', id: 1 },
      numberValue: { type: 'double', id: 2 },
      stringValue: { type: 'string', id: 3 },
      boolValue: { type: 'bool', id: 4 },
      structValue: { type: 'Struct', id: 5 },
      listValue: { type: 'ListValue', id: 6 },
    }),
  },
  NullValue: { values: { NULL_VALUE: 0 } },
  ListValue: message({ values: { rule: 'repeated', type: 'Value', id: 1 } }),
  DoubleValue: wrapper('double'),
  FloatValue: wrapper('float'),
  Int64Value: wrapper('int64'),
  UInt64Value: wrapper('uint64'),
  Int32Value: wrapper('int32'),
  UInt32Value: wrapper('uint32'),
  BoolValue: wrapper('bool'),
  StringValue: wrapper('string'),
  BytesValue: wrapper('bytes'),
};

const done = new WeakSet<ProtobufRoot>();

/** Before the first decode: field types are looked up then. */
export function addWellKnownTypes(root: ProtobufRoot): void {
  if (done.has(root)) return;
  done.add(root);
  const missing = Object.entries(TYPES).filter(([name]) => root.lookup(`google.protobuf.${name}`) === null);
  const nested = Object.fromEntries(missing);
  const holder = root.lookup('google.protobuf') as ProtobufRoot | null;
  if (holder) holder.addJSON(nested);
  else root.addJSON({ google: { nested: { protobuf: { nested } } } });
}
