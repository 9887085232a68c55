/**
 * Reads what depends on the local time zone, on a machine that is not in UTC.
 *
 * @module
 */

const texts = [
  ...["2026-03-08", "2026-03-08T02:30", "2026-03-08T02:30:15.123", "2026"],
  ...["2026-03-08T02:30Z", "2026-03-08T02:30-0500", "2026-03-08T02:30+09:00"],
  ...["Mar 8 2026", "8 March 2026 2:30 PM", "3/8/2026", "3/8/2026 2:30:15 am"],
  ...["2026-03-08 02:30", "2026-03-08 02:30 EST", "Sun Mar 08 2026 02:30 GMT"],
  ...["8 Mar 2026 02:30 +0900", "8 Mar 2026 02:30 UTC+9", "Mar 8 2026 Z"],
  ...["Sun Mar 08 2026 02:30:00 GMT+0900 (Japan Standard Time)", "2026-3-8"],
  ...["2026/03/08 02:30 (in EST)", "10:00 3-8-2026", "+012026-03-08T02:30"],
  ...["Sunday, March 8, 2026 2:30 PM", "Sun, 08 Mar 2026 02:30:00 GMT", "no"],
  ...["2026-03-08 02:30 PDT", "2026-03-08T02:30:00 PST", "Aug 8 2026 2pm", ""],
];
const years = [-1, 0, 49, 99, 100, 1969, 2026, 12026];
const getters = [
  ...["getDate", "getDay", "getFullYear", "getHours", "getMilliseconds"],
  ...["getMinutes", "getMonth", "getSeconds", "getTimezoneOffset", "getYear"],
  ...["toDateString", "toString", "toTimeString", "toJSON"],
  ...["toLocaleString", "toLocaleDateString", "toLocaleTimeString"],
];
const setters = [
  ...["setDate", "setFullYear", "setHours", "setMilliseconds", "setMinutes"],
  ...["setMonth", "setSeconds", "setYear"],
];

/** Returns everything that JavaScript derives from the local time zone. */
export function readLocalTimes(): unknown[] {
  const dates = [
    ...[0, -1, 1e12, 8.64e15, -8.64e15, NaN].map((time) => new Date(time)),
    ...texts.map((text) => new Date(text)),
    ...years.map((year) => new Date(year, 2, 8, 2, 30)),
    new Date(2026, 13),
    new Date(new Date(2026, 2, 8)),
    ...[[2026, 3, 8], new String(texts[1])].map((value) =>
      new Date(value as string)
    ),
  ];
  const format = new Intl.DateTimeFormat("en", {
    dateStyle: "full",
    timeStyle: "full",
  });
  return [
    dates.map((date) => [
      date.getTime(),
      ...getters.map((name) => Reflect.get(date, name).call(date)),
      ...setters.map((name) =>
        Reflect.get(date, name).call(new Date(date), 13)
      ),
      date.toLocaleString("en", { timeZone: "Asia/Tokyo" }),
      date.toLocaleString("en", { timeZoneName: "long" }),
      `${date}`,
      isNaN(date.getTime()) || [
        format.format(date),
        format.formatToParts(date),
        format.formatRange(date, 0),
        Intl.DateTimeFormat().format(date),
        Temporal.Instant.fromEpochMilliseconds(date.getTime())
          .toLocaleString(),
      ],
    ]),
    texts.map((text) => Date.parse(text)),
    format.resolvedOptions(),
    Intl.DateTimeFormat("de").resolvedOptions(),
    Temporal.Now.timeZoneId(),
    Temporal.Now.zonedDateTimeISO().timeZoneId,
    new Date(0) instanceof Date,
    Intl.DateTimeFormat("de") instanceof Intl.DateTimeFormat,
  ];
}
