// Looks features up with the published .proto alone, and prints every value in a form that loses nothing.
//
//   node lookup.js ADDRESS PROTO REQUEST
//
// REQUEST is the JSON of a GetOnlineFeaturesRequest. Printed: per feature group its rows, each with its
// status, its origin and its values by feature; 64-bit integers as decimal strings, floats and bytes in
// hexadecimal, dates as days, timestamps as microseconds.
"use strict";

const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const FLOAT64 = (value) => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(value);
  return bytes.toString("hex");
};
const FLOAT32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatBE(value);
  return bytes.toString("hex");
};
const same = (value) => value;

// Where a row holds the values of a type, and how they are printed.
const SLOTS = {
  DATA_TYPE_BOOL: ["bool_values", same],
  DATA_TYPE_INT32: ["int32_values", same],
  DATA_TYPE_INT64: ["int64_values", same],
  DATA_TYPE_FLOAT32: ["float32_values", FLOAT32],
  DATA_TYPE_FLOAT64: ["float64_values", FLOAT64],
  DATA_TYPE_STRING: ["string_values", same],
  DATA_TYPE_BYTES: ["bytes_values", (value) => value.toString("hex")],
  DATA_TYPE_DATE: ["int32_values", same],
  DATA_TYPE_TIMESTAMP: ["int64_values", same],
  DATA_TYPE_FLOAT32_LIST: ["float32_lists", (list) => list.values.map(FLOAT32)],
  DATA_TYPE_FLOAT64_LIST: ["float64_lists", (list) => list.values.map(FLOAT64)],
  DATA_TYPE_INT64_LIST: ["int64_lists", (list) => list.values],
};

function values(row, schema) {
  const taken = {};
  return Object.fromEntries(
    schema.features.map((feature, index) => {
      const [field, print] = SLOTS[feature.data_type];
      const position = taken[field] ?? 0;
      taken[field] = position + 1;
      const isNull = ((row.null_bitmap[index >> 3] ?? 0) >> (index & 7)) & 1;
      return [feature.name, isNull ? null : print(row[field][position])];
    }),
  );
}

function decoded(row, contract) {
  if (row.status === "ROW_STATUS_ERROR") return { status: "ERROR" };
  if (row._event_timestamp === undefined) return { status: "NOT_FOUND" };
  return {
    status: row.status === "ROW_STATUS_STALE" ? "STALE" : "FOUND",
    event_timestamp: row.event_timestamp,
    generation: row.generation,
    table_version: row.table_version,
    values: values(row, contract.schemas[row.schema_id]),
  };
}

function call(client, method, request) {
  return new Promise((resolve, reject) =>
    client[method](request, { deadline: Date.now() + 10_000 }, (error, response) =>
      error ? reject(error) : resolve(response),
    ),
  );
}

async function main(address, proto, request) {
  const definition = protoLoader.loadSync(proto, {
    keepCase: true,
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  const { FeatureService } = grpc.loadPackageDefinition(definition).headrace.v1;
  const client = new FeatureService(address, grpc.credentials.createInsecure());
  try {
    const answer = await call(client, "GetOnlineFeatures", request);
    const groups = [];
    for (const group of answer.groups) {
      const name = `${group.feature_group}@${group.version}`;
      const response = await call(client, "GetContract", { feature_groups: [name] });
      const [contract] = response.feature_groups;
      groups.push({ name, rows: group.rows.map((row) => decoded(row, contract)) });
    }
    return { answered_at: answer.answered_at, groups };
  } finally {
    client.close();
  }
}

main(process.argv[2], process.argv[3], JSON.parse(process.argv[4])).then(
  (answer) => console.log(JSON.stringify(answer)),
  (error) => console.log(JSON.stringify({ code: error.code, details: error.details ?? String(error) })),
);
