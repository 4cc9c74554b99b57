// In which hour, day, week and month of a time zone a moment lies, as names that are the same for two moments of one
// period and for no others. Pure.

export type Period = 'hourly' | 'daily' | 'weekly' | 'monthly';

export type PeriodsOf = (at: number) => Readonly<Record<Period, string>>;

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** Weeks begin on Monday and belong to the year of their Thursday (ISO 8601). @throws RangeError for no time zone. */
export function periodsIn(timeZone: string): PeriodsOf {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
  });
  return (at) => {
    const parts = Object.fromEntries(
      format.formatToParts(at).map(({ type, value }) => [type, value]),
    );
    const field = (name: string): number => Number(parts[name]);
    const [year, month, day, hour] = [field('year'), field('month'), field('day'), field('hour')];
    const date = `${year}-${two(month)}-${two(day)}`;
    const local = Date.UTC(year, month - 1, day, hour, field('minute'));
    // The hour that comes twice when daylight saving ends is two hours.
    const offset = Math.round((local - at) / MINUTE_MS);
    return {
      hourly: `${date} ${two(hour)}:00 ${offsetName(offset)}`,
      daily: date,
      weekly: weekOf(year, month, day),
      monthly: `${year}-${two(month)}`,
    };
  };
}

function weekOf(year: number, month: number, day: number): string {
  const date = Date.UTC(year, month - 1, day);
  const weekday = (new Date(date).getUTCDay() + 6) % 7; // Monday is 0
  const thursday = date + (3 - weekday) * DAY_MS;
  const isoYear = new Date(thursday).getUTCFullYear();
  const week = Math.floor((thursday - Date.UTC(isoYear, 0, 1)) / (7 * DAY_MS)) + 1;
  return `${isoYear}-W${two(week)}`;
}

function offsetName(minutes: number): string {
  const all = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(all / 60))}:${two(all % 60)}`;
}

const two = (number: number): string => String(number).padStart(2, '0');
