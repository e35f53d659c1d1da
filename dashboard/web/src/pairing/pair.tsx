// The form: which tablets, and whether each gets a code of its own.

import { useSignal } from "@preact/signals";
import { Button } from "../ui/button";
import { make, type Tablet } from "./room";
import { t, type Key } from "./texts";

const ROLES: Tablet["role"][] = ["student", "lecturer", "board"];
const MINUTES = [15, 30, 60, 240];
const MOST = 200;

export function Pair() {
  const names = useSignal("");
  const many = useSignal(40);
  const word = useSignal("");
  const each = useSignal(false);
  const role = useSignal<Tablet["role"]>("student");
  const minutes = useSignal(30);
  const listed = names.value
    .split("\n")
    .map((line) => line.trim().slice(0, 60))
    .filter(Boolean)
    .slice(0, MOST);
  const fill = () => {
    const seat = word.value.trim() || t("seat");
    names.value = Array.from({ length: many.value }, (_, at) => `${seat} ${at + 1}`).join("\n");
  };
  const send = async () => {
    const wanted = {
      names: listed,
      role: role.value,
      each: each.value,
      minutes: minutes.value,
    };
    if (await make(wanted)) names.value = "";
  };
  return (
    <form
      class="card pair"
      onSubmit={(event) => {
        event.preventDefault();
        if (listed.length > 0) void send();
      }}
    >
      <h2>{t("pair.title")}</h2>
      <fieldset class="pair-fill">
        <legend>{t("pair.fill")}</legend>
        <label class="field">
          <span>{t("pair.count")}</span>
          <input
            type="number"
            min={1}
            max={MOST}
            value={many.value}
            onInput={(event) => {
              const wanted = Math.floor(Number(event.currentTarget.value));
              many.value = Math.min(MOST, Math.max(1, wanted || 1));
            }}
          />
        </label>
        <label class="field">
          <span>{t("pair.word")}</span>
          <input
            maxLength={50}
            placeholder={t("seat")}
            value={word.value}
            onInput={(event) => (word.value = event.currentTarget.value)}
          />
        </label>
        <Button local act={fill}>
          {t("pair.write")}
        </Button>
      </fieldset>
      <label class="field">
        <span>{t("pair.names", { n: listed.length })}</span>
        <textarea
          rows={6}
          required
          value={names.value}
          onInput={(event) => (names.value = event.currentTarget.value)}
        />
      </label>
      <fieldset class="pair-kind">
        <legend>{t("pair.how")}</legend>
        {[false, true].map((one) => (
          <label key={String(one)} class="choice">
            <input
              type="radio"
              name="each"
              checked={each.value === one}
              onChange={() => (each.value = one)}
            />
            <span>{t(one ? "pair.each" : "pair.set")}</span>
          </label>
        ))}
      </fieldset>
      <div class="pair-fill">
        <label class="field">
          <span>{t("role")}</span>
          <select
            value={role.value}
            onChange={(event) => (role.value = event.currentTarget.value as Tablet["role"])}
          >
            {ROLES.map((one) => (
              <option key={one} value={one}>
                {t(`role.${one}` as Key)}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          <span>{t("pair.valid")}</span>
          <select
            value={String(minutes.value)}
            onChange={(event) => (minutes.value = Number(event.currentTarget.value))}
          >
            {MINUTES.map((one) => (
              <option key={one} value={one}>
                {t("pair.minutes", { n: one })}
              </option>
            ))}
          </select>
        </label>
      </div>
      <button type="submit" class="button main" disabled={listed.length === 0}>
        {t("pair.make")}
      </button>
    </form>
  );
}
