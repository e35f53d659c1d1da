// Made by `python -m dashboard.web_types` from the API's models; do not edit.

export type AccessRole = "student" | "instructor" | "technician" | "admin";

export interface Address {
  url: string;
  size: number;
  path: string;
}

export interface Alarm {
  id: string;
  severity: "info" | "warning" | "critical";
  who: "instructor" | "technician" | "admin";
  text: string;
  remedy: string;
  since: string;
  subject: string;
}

export interface Call {
  note?: string;
}

export interface Captions {
  name: string;
  language: string;
}

export interface Chapter {
  start_s: number;
  kind: string;
  label: string;
}

export interface Checked {
  text: string;
  faults: Fault[];
}

export interface ChoiceAnswer {
  return_url: string;
  jwt: string;
}

export interface CodeView {
  code: string;
  url: string;
  qr: string;
  names: string[];
  role: string;
  expires: number;
}

export interface CommandInfo {
  name: string;
  capability: string;
  kind: "action" | "boolean" | "number" | "choice";
  choices: string[];
  minimum: number | null;
  maximum: number | null;
}

export interface CommandResult {
  device: string;
  command: string;
  value: boolean | number | string | null;
  outcome: "confirmed" | "queued" | "refused" | "failed" | "replaced";
  detail: string;
  first_byte_ms: number | null;
  reply_ms: number | null;
}

export interface Correction {
  title?: string | null;
  course?: string | null;
  lecturer?: string | null;
  language?: string | null;
  licence?: string | null;
  description?: string | null;
  visibility?: "private" | "unlisted" | "course" | "public" | null;
  consent?: boolean | null;
  publish?: boolean | null;
}

export interface Count {
  at: number;
  n: number;
}

export interface DayFigures {
  day: string;
  sessions: number;
  minutes: number;
}

export interface DeliveryView {
  id: string;
  recording: string;
  target: string;
  state: "waiting" | "sending" | "verifying" | "verified" | "retrying" | "failed" | "held" | "withdrawing" | "withdrawn";
  attempts: number;
  sent_bytes: number;
  total_bytes: number;
  rate: number | null;
  eta_s: number | null;
  detail: string;
  remedy: string;
  next_try: string | null;
  receipt: Record<string, unknown> | null;
}

export interface Detail {
  session: SessionFigures;
  present: Count[];
  lost: Count[];
  polls: PollFigures[];
  pages: PageFigures[];
  watched: Count[];
}

export interface DeviceFigures {
  id: string;
  name: string;
  on_hours: number;
  away_hours: number;
  faults: number;
}

export interface DeviceState {
  id: string;
  name: string;
  kind: string;
  profile: string;
  dialect: string | null;
  model: string | null;
  firmware: string | null;
  health: Health;
  detail: string;
  power: Power;
  warm_s: number | null;
  values: Record<string, boolean | number | string | null>;
  desired: Record<string, boolean | number | string | null>;
  commands: CommandInfo[];
  presets: Record<string, string>;
}

export interface DiskHealth {
  device: string;
  kind: string;
  free_bytes: number;
  total_bytes: number;
  files_left: number | null;
  read_only: boolean;
  errors: number | null;
  sync_ms: number | null;
}

export interface Draft {
  text: string;
}

export interface EncoderView {
  name: string;
  part: number;
  wanted_fps: number;
  fps: number | null;
  frames: number;
  skipped: number;
  behind_s: number;
  queue_bytes: number;
  hand_overs: number;
}

export interface End {
  undo?: boolean;
}

export interface Erase {
  spans: unknown[][];
}

export interface Event {
  kind: "session" | "device" | "sources" | "levels" | "alarms" | "delivery" | "recording" | "step" | "timetable" | "help" | "lesson";
  data: Record<string, unknown>;
}

export interface Extend {
  minutes: number;
  force?: boolean;
}

export interface Fault {
  line: number | null;
  key: string;
  message: string;
  remedy: string;
}

export interface Found {
  transport: string;
  how: string;
  name: string;
  vendor: string;
  model: string;
  firmware: string;
  mac: string;
  profile: string | null;
  certainty: "certain" | "likely" | "guess";
  options: Record<string, string>;
  detail: string;
}

export interface Hand {
  id: string;
  name: string;
  state: "asking" | "admitted" | "speaking" | "over";
  muted: boolean;
  since: number;
}

export interface HandState {
  state: "asking" | "admitted" | "speaking" | "over";
  muted: boolean;
  why: "" | "ended" | "not_come" | "class_over" | "not_allowed" | "left";
  heard: boolean;
  recorded: boolean;
  place: string;
}

export type Health = "connecting" | "online" | "degraded" | "offline";

export interface HealthView {
  version: string;
  python: string;
  machine: string;
  up_s: number;
  load: number;
  cores: number;
  memory_bytes: number;
  disk: DiskHealth;
  reserve_bytes: number;
  clock_synchronised: boolean | null;
  trouble: string;
}

export interface Heat {
  bucket_s: number;
  least: number;
  counts: number[];
}

export interface HelpView {
  state: "none" | "called" | "answered";
  phone: string;
  at: string | null;
  by: string;
  note: string;
}

export interface Hold {
  why?: string;
}

export interface Inquiry {
  id: string;
  name: string;
  text: string;
  at: number;
  remote: boolean;
  state: "waiting" | "shown" | "done";
}

export interface JournalEntry {
  seq: number;
  at: string;
  kind: string;
  session: string | null;
  actor: string;
  role: string;
  door: string;
  data: Record<string, unknown>;
}

export type Kind = "lecture" | "small" | "track" | "framed" | "audio" | "captions" | "transcript" | "chapters" | "slides" | "slide" | "poster" | "preview" | "metadata" | "offline" | "link" | "draft" | "study";

export interface LinkView {
  path: string;
  qr: string;
}

export interface LiveSource {
  id: string;
  role: string;
}

export interface LiveView {
  state: "off" | "live" | "paused" | "ended";
  room: string;
  recording: string | null;
  title: string | null;
  visibility: Visibility | null;
  views: LiveSource[];
  viewers: number;
  socket: string | null;
  hls: string | null;
  whep: string | null;
  slides: string | null;
  captions: string[];
  asks: boolean;
  talk: TalkOffer | null;
  question: ShownQuestion | null;
}

export interface LogLine {
  seq: number;
  at: string;
  level: string;
  name: string;
  text: string;
}

export interface Login {
  pin?: string | null;
  name?: string | null;
  password?: string | null;
}

export interface Look {
  seconds?: number;
  subnets?: string[];
}

export interface Me {
  name: string | null;
  role: AccessRole | null;
  ways: ("pin" | "password")[];
  room: string;
  room_name: string;
  timezone: string;
  languages: string[];
  help_phone: string;
  sign: Sign;
  pages: string;
}

export interface NewCodes {
  names: string[];
  role?: "student" | "board" | "lecturer";
  each?: boolean;
  minutes?: number;
}

export interface NewDevice {
  text: string;
  id: string;
  name?: string;
  profile: string;
  transport: string;
  options?: Record<string, string | number | boolean>;
  scenes?: boolean;
}

export interface NewNote {
  at_s: number;
  text?: string;
}

export interface Note {
  id: string;
  at_s: number;
  text: string;
  made: string;
  changed: string;
}

export interface NoteText {
  text: string;
}

export interface OldText {
  id: string;
  at: string;
  bytes: number;
}

export interface Overview {
  days: number;
  sessions: SessionFigures[];
  by_day: DayFigures[];
}

export interface PageFigures {
  title: string;
  seconds: number;
  times: number;
}

export interface Place {
  at_s: number;
}

export interface Played {
  devices: string[];
}

export interface PollFigures {
  id: string;
  text: string;
  kind: string;
  choices: string[];
  answered: number;
  present: number;
  counts: number[];
  mean: number | null;
  median: number | null;
  right: number | null;
}

export type Power = "unknown" | "off" | "warming" | "on" | "cooling";

export interface PresetPicture {
  number: number;
  kept: string;
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  remedy: string;
}

export interface ProductFile {
  name: string;
  bytes: number;
  kind: Kind;
  language: string | null;
  media_type: string;
}

export interface ProductionView {
  state: "waiting" | "paused" | "working" | "done" | "failed";
  step: string;
  progress: number;
  detail: string;
  notices: string[];
  next_try: string | null;
}

export interface ProfileView {
  name: string;
  title: string;
  vendor: string;
  kind: string;
  models: string[];
}

export interface PushStatus {
  id: string;
  state: "off" | "connecting" | "live" | "retrying";
  detail: string;
  since: string;
  attempts: number;
  sent_bytes: number;
  next_try: string | null;
}

export interface RecordingDetail {
  id: string;
  session: string;
  title: string;
  started: string;
  duration_s: number | null;
  life: string;
  folder: string;
  lecture: boolean;
  bytes: number;
  error: string | null;
  production: ProductionView | null;
  going: string | null;
  pruned: string | null;
  course: string | null;
  lecturer: string | null;
  language: string | null;
  ended: string | null;
  lecture_s: number | null;
  chapters: Chapter[];
  streams: ReviewStream[];
  sound: string | null;
  captions: Captions[];
  slides: string | null;
  poster: string | null;
  silences: Silence[];
  products: ProductFile[];
  measured: Record<string, unknown>;
  may_note: boolean;
  may_edit: boolean;
  visibility: Visibility | null;
  held: Record<string, unknown> | null;
}

export interface RecordingHealth {
  recording: string | null;
  state: string;
  program: "starting" | "running" | "restarting" | "off";
  restarts: number;
  disk_seconds_left: number | null;
  encoder: EncoderView | null;
  sources: SourceHealth[];
}

export interface RecordingView {
  id: string;
  session: string;
  title: string;
  started: string;
  duration_s: number | null;
  life: string;
  folder: string;
  lecture: boolean;
  bytes: number;
  error: string | null;
  production: ProductionView | null;
  going: string | null;
  pruned: string | null;
}

export interface RecordingVisibility {
  visibility: Visibility;
}

export interface Restored {
  files: string[];
  restarting: boolean;
}

export interface ReviewLink {
  path: string;
}

export interface ReviewLinkRequest {
  whole_course?: boolean;
}

export interface ReviewNotes {
  notes: Note[];
  place_s: number | null;
  own: boolean;
}

export interface ReviewStream {
  name: string;
  role: "slides" | "presenter" | "audience";
}

export interface RightsView {
  recording: string;
  title: string;
  course: string | null;
  lecturer: string | null;
  language: string | null;
  licence: string | null;
  description: string;
  visibility: "private" | "unlisted" | "course" | "public";
  consent: boolean | null;
  publish: boolean;
  held: Record<string, unknown> | null;
  edit: Record<string, unknown> | null;
  duration_s: number | null;
  cut_s: number;
  can_restore: boolean;
  deliveries: DeliveryView[];
}

export interface RoomText {
  path: string;
  text: string;
  version: string;
  running: boolean;
  writable: boolean;
}

export interface RoomView {
  room: string;
  name: string;
  timezone: string;
  languages: string[];
  now: string;
  session: SessionView | null;
  devices: DeviceState[];
  sources: SourceView[];
  alarms: Alarm[];
  deliveries: DeliveryView[];
  scenes: string[];
  scene_names: Record<string, string>;
  layouts: string[];
  timetable: TimetableView | null;
  help: HelpView;
}

export interface SearchView {
  running: boolean;
  seconds: number;
  found: Found[];
  problem: string;
}

export interface SessionFigures {
  id: string;
  title: string;
  course: string | null;
  started: string;
  minutes: number;
  recording: string | null;
  seats: number;
  seat_minutes: number;
  polls: number;
  lost: number;
  watched_minutes: number;
}

export type SessionState = "planned" | "preparing" | "live" | "paused" | "ending" | "ended";

export interface SessionView {
  id: string;
  state: SessionState;
  title: string;
  course: string | null;
  lecturer: string | null;
  slot: string | null;
  started: string;
  planned_end: string | null;
  ended: string | null;
  now: string;
  elapsed_s: number;
  recorded_s: number;
  layout: string;
  recording: string | null;
  recording_state: "none" | "starting" | "recording" | "paused" | "restarting" | "finishing" | "finished" | "failed";
  recording_error: string | null;
  undo_until: string | null;
  start_to_first_frame_ms: number | null;
  steps: StepResult[];
}

export interface SetLayout {
  layout: string;
}

export interface SheetView {
  room: string;
  name: string;
  phone: string;
  panel: Address;
  join: Address;
  console: string;
}

export interface ShownQuestion {
  id: string;
  name: string;
  text: string;
  remote: boolean;
}

export interface Sign {
  state: SessionState | "free";
  recording_state: string;
  elapsed_s: number;
  now: string;
}

export interface Silence {
  from_s: number;
  to_s: number;
}

export interface Skip {
  slot: string;
}

export interface SlotView {
  id: string;
  title: string;
  course: string | null;
  lecturer: string | null;
  starts: string;
  ends: string;
  state: "later" | "due" | "now" | "started" | "skipped" | "over";
}

export interface SourceHealth {
  id: string;
  drift_ppm: number | null;
  resets: number;
  offset_ms: number;
  latency_ms: number | null;
  gaps: number;
  dropped: number;
  bytes: number;
  first_frame_ms: number | null;
}

export interface SourceView {
  id: string;
  role: string;
  state: "idle" | "opening" | "running" | "lost" | "failed";
  detail: string;
  video: boolean;
  audio: boolean;
  level_dbfs: number | null;
  has_picture: boolean;
}

export interface Start {
  title?: string | null;
  course?: string | null;
  lecturer?: string | null;
  minutes?: number | null;
  slot?: string | null;
}

export interface StepResult {
  device: string;
  command: string;
  value: boolean | number | string | null;
  state: "waiting" | "running" | "confirmed" | "queued" | "failed";
  detail: string;
  remedy: string;
}

export interface TabletView {
  id: string;
  seat: string;
  name: string;
  role: "student" | "board" | "lecturer";
  session: string | null;
  created: number;
  revoked: boolean;
  version: string;
  battery: number | null;
  last_contact: number | null;
  connected: boolean;
}

export interface TalkOffer {
  socket: string;
  heard: boolean;
  recorded: boolean;
}

export interface TalkView {
  available: boolean;
  heard: boolean;
  trouble: string;
  hands: Hand[];
}

export interface TimetableView {
  start: "ask" | "start" | "never";
  stop: "ask" | "stop" | "never";
  extend: "shorten" | "ask" | "allow";
  gap_minutes: number;
  current: SlotView | null;
  next: SlotView | null;
  today: SlotView[];
  updated: string | null;
  error: string;
  remedy: string;
}

export interface Traffic {
  time: string;
  direction: "out" | "in" | "note";
  data: string;
  text: string;
}

export interface Trial {
  profile: string;
  transport: string;
  options?: Record<string, unknown>;
  command?: string | null;
  value?: boolean | number | string | null;
}

export interface TrialView {
  device: DeviceState;
  result: CommandResult | null;
  traffic: Traffic[];
}

export interface Trim {
  start?: number | null;
  end?: number | null;
  cuts?: unknown[][];
}

export interface ViewedBuckets {
  buckets: number[];
}

export type Visibility = "nobody" | "course" | "campus" | "public";

export interface Withdraw {
  target?: string | null;
  last_copy?: boolean;
}
