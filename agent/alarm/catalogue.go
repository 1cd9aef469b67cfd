package alarm

// Why something does not pour: the codes of Snapshot.Blocked. Those of the whole unit stand in Snapshot.Reason.
const (
	CodeSoldOut   = "sold_out"
	CodeNoFizz    = "no_fizz"
	CodeNoWater   = "no_water"
	CodeTooWarm   = "too_warm"
	CodeLineFault = "line_fault"
	CodeCleaning  = "cleaning"
	CodeWrong     = "wrong_cartridge"
	CodeExpired   = "expired"
	CodeRecalled  = "recalled"
)

// Who raises alarms, for the documentation and the test that looks for it there.
const (
	byWatch      = "agent/watch.go"
	byReadiness  = "agent/readiness.go"
	byCartridges = "agent/cartridges_judge.go"
	byWear       = "agent/wear.go"
	byJournal    = "agent/journal.go"
	byRecover    = "agent/recover.go"
	byCloud      = "agent/cloud.go"
	byLeave      = "agent/leave.go"
	byDrain      = "agent/drain.go"
	byCare       = "agent/care.go"
	bySpace      = "agent/store_space.go"
	byDamage     = "agent/store_damage.go"
	byRecall     = "agent/recalls.go"
)

// catalogue describes every Name. Nothing changes it.
var catalogue = [names]Definition{
	// Safety inputs: the control loop acts within 20 ms, the alarm only tells.
	EStop: {
		ID: "e_stop", Severity: Blocks, Scope: OfUnit, Code: "e_stop", Ends: Itself, By: byWatch,
		Cause: "the emergency stop is pressed", Remedy: "release it when it is safe",
		Evidence: "the inputs that are tripped", Raised: "the guard's emergency stop loop is open", Cleared: "the loop is closed again; no pour resumes by itself",
	},
	Leak: {
		ID: "leak", Severity: Blocks, Scope: OfUnit, Code: "leak", Ends: Itself, By: byWatch,
		Cause: "there is water in the base of the machine", Remedy: "shut the water supply, find the leak, dry the base",
		Evidence: "the inputs that are tripped", Raised: "the leak input is tripped", Cleared: "the input is dry again",
	},
	DoorOpen: {
		ID: "door", Severity: Blocks, Scope: OfUnit, Code: "door", Ends: Itself, By: byWatch,
		Cause: "the service door is open", Remedy: "close it",
		Evidence: "the inputs that are tripped", Raised: "the door contact is open", Cleared: "the door is shut",
	},
	TrayFull: {
		ID: "tray_full", Severity: Blocks, Scope: OfUnit, Code: "tray_full", Ends: Itself, By: byWatch,
		Cause: "the drip tray is full", Remedy: "empty it and put it back",
		Evidence: "the inputs that are tripped", Raised: "the tray's float is up; a pour under way is finished", Cleared: "the tray is empty",
	},
	InterlockUnreadable: {
		ID: "interlock_unreadable", Severity: Blocks, Scope: OfUnit, Code: "interlock_unreadable", Ends: Itself, By: byWatch,
		Cause: "the safety inputs cannot be read", Remedy: "check the wiring of the safety inputs and their chip",
		Evidence: "what the hardware said", Raised: "a read of the safety inputs fails: all count as tripped", Cleared: "a read succeeds",
	},
	NoWater: {
		ID: "no_water", Severity: Blocks, Scope: OfUnit, Code: CodeNoWater, Ends: Itself, By: byWatch,
		Cause: "the water supply has no pressure", Remedy: "open the water supply; check the filter",
		Evidence: "the inputs that are tripped", Raised: "the supply's pressure switch is tripped", Cleared: "the switch is back",
	},

	// Control.
	GuardGone: {
		ID: "guard_gone", Severity: Blocks, Scope: OfUnit, Code: "guard_gone", Ends: Itself, By: byWatch,
		Cause: "the guard that holds the main valve does not answer", Remedy: "it is started again by itself; if this stays, call a technician",
		Evidence: "since when", Raised: "a beat is not answered in 150 ms", Cleared: "a beat is answered",
	},
	RigLost: {
		ID: "rig_lost", Severity: Blocks, Scope: OfUnit, Code: "rig_lost", Ends: Itself, By: byWatch,
		Cause: "the valves and pumps do not answer", Remedy: "check the board and its connections; the agent opens it anew after 2 s",
		Evidence: "what the hardware said", Raised: "an output, a pump or the inputs do not obey", Cleared: "they obey again",
	},
	LoopLate: {
		ID: "loop_late", Severity: Warns, Scope: OfUnit, Ends: Itself, By: byWatch,
		Cause: "the control loop runs late", Remedy: "look for what uses the processor; portions are less exact meanwhile",
		Evidence: "late ticks in the last minute, the latest one", Raised: "10 ticks more than 20 ms late within a minute", Cleared: "a minute with less than that",
	},
	LoopGap: {
		ID: "loop_gap", Severity: Warns, Scope: OfUnit, Ends: Itself, By: byWatch,
		Cause: "the control loop stood still and shut everything", Remedy: "look for what stopped the process; call support if it comes again",
		Evidence: "how often, how long", Raised: "a gap of more than 100 ms", Cleared: "an hour without one",
	},
	WatchdogOff: {
		ID: "watchdog_off", Severity: Warns, Scope: OfUnit, Ends: Itself, By: byWatch,
		Cause: "the hardware watchdog does not run", Remedy: "check the watchdog of the rig file and the guard's rights to it",
		Evidence: "what the guard said", Raised: "the guard reports that it does not feed it", Cleared: "the guard feeds it",
	},
	LinesKeepLevel: {
		ID: "lines_keep_level", Severity: Blocks, Scope: OfUnit, Code: "lines_keep_level", Ends: Itself, By: byWatch,
		Cause: "this board would hold its valves open if the program ended", Remedy: "set strict_gpiod in the firmware (docs/wiring.md) and start again",
		Evidence: "the kernel setting that was read", Raised: "the hardware reports that lines keep their level after their owner dies; hal/linux does not even open such a board", Cleared: "the setting is right at a start",
	},
	RinseFirst: {
		ID: "rinse_first", Severity: Blocks, Scope: OfUnit, Code: "rinse_first", Ends: Itself, By: byWatch,
		Cause: "the nozzle has to be rinsed before the next drink", Remedy: "take the cup away and let it rinse",
		Evidence: "what is left of which drink", Raised: "the nozzle holds what the next drink must not meet", Cleared: "a rinse",
	},

	// Flow.
	GhostFlow: {
		ID: "unexpected_flow", Severity: Blocks, Scope: OfUnit, Code: "unexpected_flow", Ends: Person, By: byWatch,
		Cause: "water flows although every valve is shut", Remedy: "shut the water supply and call a technician",
		Evidence: "which meter counted how much", Raised: "more than 3 pulses in 2 s while nothing is poured", Cleared: "a person has mended it and nothing counts",
	},
	Weep: {
		ID: "weep", Severity: Warns, Scope: OfLine, Ends: Itself, By: byWatch,
		Cause: "{scope} drips while its valve is shut", Remedy: "clean or change the valve's seat",
		Evidence: "pulses in an hour", Raised: "a meter counts slowly while nothing is poured", Cleared: "an hour without",
	},
	StuckOpen: {
		ID: "stuck_open", Severity: Blocks, Scope: OfLine, Code: CodeLineFault, Ends: Person, By: byWatch,
		Cause: "the valve {scope} did not shut", Remedy: "have a technician check the valve, then clear the alarm",
		Evidence: "how much flowed after it was told to shut", Raised: "water goes on after the valve was shut; the main valve is shut at once", Cleared: "a person has mended it and it shuts",
	},
	WrongWay: {
		ID: "wrong_way", Severity: Blocks, Scope: OfLine, Code: CodeLineFault, Ends: Person, By: byWatch,
		Cause: "water flows through {scope} while another line pours", Remedy: "check that hoses and wires of the lines are not swapped",
		Evidence: "which meter counted during which pour", Raised: "a meter counts whose valve is shut", Cleared: "a person has mended it",
	},
	OverFlow: {
		ID: "over_flow", Severity: Blocks, Scope: OfLine, Code: CodeLineFault, Ends: Person, By: byWatch,
		Cause: "more came through {scope} than a pour may give", Remedy: "check the valve and its meter, then clear the alarm",
		Evidence: "volume and bound", Raised: "a pour reaches its bound of volume or time", Cleared: "a person has looked at it",
	},
	NoFlow: {
		ID: "no_flow", Severity: Blocks, Scope: OfLine, Code: CodeNoWater, Ends: Itself, By: byWatch,
		Cause: "no water comes through {scope}", Remedy: "open the water supply; check the filter and the valve",
		Evidence: "pours in a row that found none", Raised: "two pours in a row find no water", Cleared: "water comes, or it is offered again after 5 minutes",
	},
	MeterDead: {
		ID: "meter_dead", Severity: Blocks, Scope: OfLine, Code: CodeLineFault, Ends: Person, By: byWatch,
		Cause: "the flow meter {scope} does not count", Remedy: "check the meter and its wire, then clear the alarm",
		Evidence: "what shows that water flowed", Raised: "water flows and the meter stands still", Cleared: "a person has mended it and it counts",
	},
	MeterUncertain: {
		ID: "meter_uncertain", Severity: Warns, Scope: OfLine, Ends: Itself, By: byWatch,
		Cause: "the flow meter {scope} lost pulses", Remedy: "check the meter's wire and shield; look for what uses the processor",
		Evidence: "pulses lost", Raised: "a meter reports lost pulses", Cleared: "an hour without",
	},
	ValveWearing: {
		ID: "valve_wearing", Severity: Warns, Scope: OfLine, Ends: Itself, By: byWear,
		Cause: "the valve {scope} shuts slower or faster than it used to", Remedy: "plan to change the valve, then calibrate the line",
		Evidence: "the learned lag now, as it was, the control limits, over how many days", Raised: "the learned close lag leaves its control limits for 8 pours in a row", Cleared: "8 pours within the limits, or the valve was changed",
	},
	MeterNoise: {
		ID: "meter_noise", Severity: Warns, Scope: OfLine, Ends: Itself, By: byWatch,
		Cause: "the flow meter of {scope} counts what no water makes", Remedy: "check the shield and the ground of the meter's wire",
		Evidence: "how many pulses, how they came", Raised: "pulses come too fast or too evenly to be water while everything is shut; they are never a sale", Cleared: "10 minutes without",
	},
	AirInLine: {
		ID: "air_in_line", Severity: Warns, Scope: OfLine, Ends: Itself, By: byWatch,
		Cause: "air came through {scope}", Remedy: "prime the line; check the supply for air",
		Evidence: "how many pulses, how they came", Raised: "a short irregular burst of pulses while everything is shut", Cleared: "10 minutes without",
	},
	OutputFault: {
		ID: "output_fault", Severity: Blocks, Scope: OfLine, Code: CodeLineFault, Ends: Person, By: byWatch,
		Cause: "a pump or valve of {scope} did not obey", Remedy: "check the part and its wire, then clear the alarm",
		Evidence: "which part, what the hardware said", Raised: "an output or pump refuses a command in a pour", Cleared: "a person has mended it and it obeys",
	},
	StrokesUnconfirmed: {
		ID: "strokes_unconfirmed", Severity: Warns, Scope: OfLine, Ends: Itself, By: byWatch,
		Cause: "nothing confirms the strokes of the pump {scope}", Remedy: "fit its stroke sensor; an empty cartridge is not noticed by itself meanwhile",
		Evidence: "what the hardware said", Raised: "the pump has no working stroke sensor", Cleared: "strokes are confirmed",
	},
	CalibrationMissing: {
		ID: "calibration_missing", Severity: Warns, Scope: OfLine, Ends: Proof, By: byCare,
		Cause: "{scope} was never calibrated", Remedy: "calibrate it: fountainctl calibrate {scope}",
		Evidence: "the name plate's figure in use", Raised: "there is no calibration of the line", Cleared: "a calibration",
	},
	CalibrationExpired: {
		ID: "calibration_expired", Severity: Warns, Scope: OfLine, Ends: Proof, By: byCare,
		Cause: "the calibration of {scope} is too old", Remedy: "calibrate it: fountainctl calibrate {scope}",
		Evidence: "when and by whom", Raised: "the calibration's date of expiry has passed", Cleared: "a calibration",
	},

	// Water, gas and cold.
	WaterWarm: {
		ID: "water_warm", Severity: Warns, Scope: OfUnit, Ends: Itself, By: byReadiness,
		Cause: "drinks are warmer than they should be", Remedy: "check the chiller and its air flow",
		Evidence: "temperature and limit", Raised: "the water is above the warning limit for the delay; time while a pour flows does not count", Cleared: "it is below the limit by the hysteresis",
	},
	WaterTooWarm: {
		ID: "water_too_warm", Severity: Blocks, Scope: OfLine, Code: CodeTooWarm, Ends: Itself, By: byReadiness,
		Cause: "the water is too warm to hold its fizz", Remedy: "check the chiller and its air flow",
		Evidence: "temperature and limit", Raised: "the water is above the blocking limit for the delay; still drinks go on with a warning", Cleared: "it is below the limit by the hysteresis",
	},
	WaterFreezing: {
		ID: "water_freezing", Severity: Warns, Scope: OfUnit, Ends: Itself, By: byReadiness,
		Cause: "the water is close to freezing", Remedy: "check the chiller's thermostat",
		Evidence: "temperature and limit", Raised: "the water is below the freezing limit for the delay", Cleared: "it is above the limit by the hysteresis",
	},
	CabinetTemperature: {
		ID: "cabinet_temperature", Severity: Warns, Scope: OfUnit, Ends: Itself, By: byReadiness,
		Cause: "the cartridges are stored too warm or too cold", Remedy: "check the cabinet's door and the room",
		Evidence: "temperature and limits", Raised: "the cabinet is outside its limits for the delay", Cleared: "it is inside them by the hysteresis",
	},
	WaterPressureLow: {
		ID: "water_pressure_low", Severity: Warns, Scope: OfUnit, Ends: Itself, By: byReadiness,
		Cause: "the water pressure is low", Remedy: "check the supply and change the filter",
		Evidence: "pressure and limit", Raised: "the supply is below its limit for the delay; what does not flow ends a pour by itself", Cleared: "it is above the limit by the hysteresis",
	},
	WaterPressureHigh: {
		ID: "water_pressure_high", Severity: Warns, Scope: OfUnit, Ends: Itself, By: byReadiness,
		Cause: "the water pressure is high", Remedy: "check the pressure reducer",
		Evidence: "pressure and limit", Raised: "the supply is above its limit for the delay", Cleared: "it is below the limit by the hysteresis",
	},
	CO2Low: {
		ID: "co2_low", Severity: Warns, Scope: OfLine, Ends: Itself, By: byReadiness,
		Cause: "the gas for sparkling drinks is running out", Remedy: "have a full CO2 cylinder ready; check the regulator",
		Evidence: "pressure and limit", Raised: "the gas is below the warning limit for the delay", Cleared: "it is above the limit by the hysteresis",
	},
	CO2Out: {
		ID: "co2_out", Severity: Blocks, Scope: OfLine, Code: CodeNoFizz, Ends: Itself, By: byReadiness,
		Cause: "there is no gas for sparkling drinks", Remedy: "change the CO2 cylinder",
		Evidence: "pressure and limit, or the switch", Raised: "the gas is below the blocking limit for the delay, or the gas switch is tripped", Cleared: "it is above the limit by the hysteresis and the switch is back",
	},
	CarbonatorNotReady: {
		ID: "carbonator_not_ready", Severity: Blocks, Scope: OfLine, Code: CodeNoFizz, Ends: Itself, By: byReadiness,
		Cause: "the carbonator does not finish filling", Remedy: "check the carbonator's pump, its water and its float",
		Evidence: "how long it has been filling", Raised: "the carbonator fills for longer than it may; sparkling drinks wait from the first moment, without an alarm", Cleared: "it has filled",
	},
	SensorBad: {
		ID: "sensor_bad", Severity: Warns, Scope: OfPart, Ends: Itself, By: byReadiness,
		Cause: "the sensor {scope} gives no sound value", Remedy: "check the sensor and its wire",
		Evidence: "why, and the last sound value", Raised: "a reading is stale, out of range or missing for the delay; it blocks nothing by itself, but a block that stands stays until a sound value ends it", Cleared: "a sound value",
	},

	// Cartridges: each blocks its slot only; a drink goes on from another slot with the same ingredient.
	CartridgeEmpty: {
		ID: "cartridge_empty", Severity: Blocks, Scope: OfSlot, Code: CodeSoldOut, Ends: Itself, By: byCartridges,
		Cause: "the cartridge has run dry", Remedy: "change it",
		Evidence: "cartridge and ingredient", Raised: "the pump drew air, or nothing is left by the count", Cleared: "another cartridge",
	},
	CartridgeLow: {
		ID: "cartridge_low", Severity: Warns, Scope: OfSlot, Ends: Itself, By: byCartridges,
		Cause: "a cartridge is nearly empty", Remedy: "have a new one ready",
		Evidence: "servings left over all its slots", Raised: "what is left of the ingredient is less than the configured servings", Cleared: "there is more",
	},
	CartridgeAbsent: {
		ID: "cartridge_absent", Severity: Blocks, Scope: OfSlot, Code: CodeSoldOut, Ends: Itself, By: byCartridges,
		Cause: "there is no cartridge in {scope}", Remedy: "put one in, or leave the slot out of the planogram",
		Evidence: "what belongs there", Raised: "no tag answers, or nobody has registered a cartridge", Cleared: "a cartridge",
	},
	CartridgeWrong: {
		ID: "cartridge_wrong", Severity: Blocks, Scope: OfSlot, Code: CodeWrong, Ends: Itself, By: byCartridges,
		Cause: "the cartridge in {scope} belongs elsewhere", Remedy: "swap it for the right one",
		Evidence: "what it holds and what belongs there", Raised: "the tag names another ingredient than the planogram", Cleared: "the right cartridge",
	},
	CartridgeForeign: {
		ID: "cartridge_foreign", Severity: Blocks, Scope: OfSlot, Code: CodeWrong, Ends: Itself, By: byCartridges,
		Cause: "the cartridge in {scope} is not one of ours", Remedy: "take it out",
		Evidence: "what is wrong with its tag", Raised: "the tag is no cartridge's, or it claims more than a cartridge holds", Cleared: "a cartridge of ours",
	},
	CartridgeExpired: {
		ID: "cartridge_expired", Severity: Blocks, Scope: OfSlot, Code: CodeExpired, Ends: Itself, By: byCartridges,
		Cause: "the cartridge in {scope} is past its date", Remedy: "change it and throw the old one away",
		Evidence: "the date", Raised: "the date has passed by a clock that can be trusted, or by the last moment known for sure", Cleared: "another cartridge",
	},
	CartridgeExpiring: {
		ID: "cartridge_expiring", Severity: Warns, Scope: OfSlot, Ends: Itself, By: byCartridges,
		Cause: "the cartridge in {scope} expires soon", Remedy: "use it up or change it in time",
		Evidence: "the date", Raised: "the date comes within the configured days", Cleared: "another cartridge",
	},
	ExpiryUnsure: {
		ID: "expiry_unsure", Severity: Warns, Scope: OfSlot, Ends: Itself, By: byCartridges,
		Cause: "the cartridge in {scope} may be past its date, but the clock is not sure", Remedy: "read the date on the cartridge; connect the unit so that it learns the time",
		Evidence: "the date and the clock", Raised: "the date has passed by a clock nobody has set", Cleared: "the clock is set, or another cartridge",
	},
	CartridgeUnreadable: {
		ID: "cartridge_unreadable", Severity: Warns, Scope: OfSlot, Ends: Itself, By: byCartridges,
		Cause: "the tag of the cartridge in {scope} cannot be read", Remedy: "turn the cartridge; clean the reader; change the cartridge",
		Evidence: "what the reader said", Raised: "three readings in a row fail; what was known of the slot stays, a slot never read does not pour", Cleared: "a reading",
	},
	CartridgeUnverified: {
		ID: "cartridge_unverified", Severity: Warns, Scope: OfSlot, Ends: Itself, By: byCartridges,
		Cause: "nobody but a person vouches for the cartridge in {scope}", Remedy: "nothing, if it was registered rightly; the slot has no tag reader",
		Evidence: "who registered it", Raised: "a person registered it in a slot without a reader", Cleared: "it is taken out",
	},
	CartridgeRefilled: {
		ID: "cartridge_refilled", Severity: Warns, Scope: OfSlot, Ends: Itself, By: byCartridges,
		Cause: "the tag in {scope} claims more than can be left", Remedy: "check that it is an original cartridge, not a refilled or copied one; the lower count is used",
		Evidence: "what the tag says and what is left by the count", Raised: "a known cartridge comes back with more in it than it was left with", Cleared: "another cartridge",
	},

	// Electronics.
	ChipGone: {
		ID: "chip_gone", Severity: Blocks, Scope: OfPart, Code: CodeLineFault, Ends: Itself, By: byWatch,
		Cause: "the chip {scope} does not answer", Remedy: "check its connector and supply",
		Evidence: "what the hardware said", Raised: "the hardware reports it; what hangs on it does not pour, the rest does", Cleared: "it answers",
	},
	PartGone: {
		ID: "part_gone", Severity: Blocks, Scope: OfLine, Code: CodeLineFault, Ends: Itself, By: byWatch,
		Cause: "{scope} does not answer", Remedy: "check {scope} and its wire",
		Evidence: "what the hardware said", Raised: "the hardware reports one valve, pump or meter; the rest pours", Cleared: "it answers",
	},
	BusSlow: {
		ID: "bus_slow", Severity: Warns, Scope: OfPart, Ends: Itself, By: byWatch,
		Cause: "the chip {scope} answers slowly", Remedy: "check the length and shield of its bus",
		Evidence: "what the hardware said", Raised: "the hardware reports repeats or long transfers", Cleared: "it reports none",
	},
	ExpanderReset: {
		ID: "expander_reset", Severity: Warns, Scope: OfPart, Ends: Itself, By: byWatch,
		Cause: "the chip {scope} forgot its settings and was set up again", Remedy: "check its supply for dips",
		Evidence: "what the hardware said", Raised: "the hardware reports it; everything on the chip was shut", Cleared: "an hour without",
	},
	PartFault: {
		ID: "hardware", Severity: Warns, Scope: OfPart, Ends: Itself, By: byWatch,
		Cause: "something is wrong with {scope}", Remedy: "check {scope} and its wiring",
		Evidence: "what the hardware said", Raised: "the hardware reports it and nothing more exact fits", Cleared: "it is reported no more",
	},

	// Care.
	CleanDue: {
		ID: "clean_due", Severity: Warns, Scope: OfLine, Ends: Proof, By: byCare,
		Cause: "a cleaning is due", Remedy: "clean it: fountainctl clean",
		Evidence: "which recipe, last done when", Raised: "its interval is over", Cleared: "the cleaning, proven by flow, volume, temperature and dwell",
	},
	CleanOverdue: {
		ID: "clean_overdue", Severity: Warns, Scope: OfLine, Ends: Proof, By: byCare,
		Cause: "a cleaning is overdue", Remedy: "clean it: fountainctl clean",
		Evidence: "which recipe, last done when", Raised: "it is half an interval late; when to stop serving is the venue's decision", Cleared: "the cleaning, proven by flow, volume, temperature and dwell; no PIN ends it",
	},
	CleanUnfinished: {
		ID: "clean_unfinished", Severity: Blocks, Scope: OfLine, Code: CodeCleaning, Ends: Proof, By: byCare,
		Cause: "a cleaning was begun and not finished", Remedy: "finish it: cleaner may be in the line",
		Evidence: "which step is not proven", Raised: "cleaner may have entered the line", Cleared: "the rinse is proven by the meter; no PIN ends it",
	},
	BrixDue: {
		ID: "brix_due", Severity: Warns, Scope: OfUnit, Ends: Proof, By: byCare,
		Cause: "the ratio of water and syrup should be checked", Remedy: "check it: fountainctl brix",
		Evidence: "last done when", Raised: "its interval is over", Cleared: "a check within its limits",
	},
	RigCheckMissing: {
		ID: "rig_check_missing", Severity: Warns, Scope: OfUnit, Ends: Proof, By: byCare,
		Cause: "the valves and meters of this unit were never checked", Remedy: "run the self-test: fountainctl selftest",
		Evidence: "the last self-test", Raised: "no self-test was ever passed on this unit", Cleared: "a self-test is passed",
	},

	// Records.
	StoreFailing: {
		ID: "store_failing", Severity: Blocks, Scope: OfUnit, Code: "store_failing", Ends: Itself, By: byJournal,
		Cause: "pours cannot be recorded", Remedy: "free space on the data partition, or replace the storage",
		Evidence: "what the storage said", Raised: "an intent or a record cannot be made durable", Cleared: "a write succeeds; it is tried every 2 s",
	},
	JournalStuck: {
		ID: "journal", Severity: Blocks, Scope: OfUnit, Code: "journal", Ends: Itself, By: byWatch,
		Cause: "a pour could not be recorded in time", Remedy: "check the storage; it goes on by itself when the storage answers",
		Evidence: "which pour", Raised: "the journal does not answer in 5 s", Cleared: "it answers",
	},
	StoreFull: {
		ID: "store_full", Severity: Warns, Scope: OfUnit, Ends: Itself, By: byWatch,
		Cause: "the storage for recorded pours is nearly full", Remedy: "connect the unit so that it can send its pours, or free space",
		Evidence: "space left", Raised: "less than 64 MiB or 2 % of the data partition is free", Cleared: "there is more",
	},
	StoreCritical: {
		ID: "store_critical", Severity: Warns, Scope: OfUnit, Ends: Itself, By: bySpace,
		Cause: "the storage is so full that old logs and caches were given up for pours", Remedy: "connect the unit so that it can send its pours, or free space",
		Evidence: "space left, and whether the reserve is used", Raised: "less than 16 MiB of the data partition is free", Cleared: "there is more",
	},
	StoreNoRoom: {
		ID: "store_no_room", Severity: Blocks, Scope: OfUnit, Code: "store_failing", Ends: Itself, By: bySpace,
		Cause: "there is no room to record another pour", Remedy: "connect the unit so that it can send its pours, or free space",
		Evidence: "space left", Raised: "less than 1 MiB is free and the reserve is used up: no pour begins, none is lost", Cleared: "there is more",
	},
	StoreDamaged: {
		ID: "store_damaged", Severity: Warns, Scope: OfFile, Ends: Person, By: byDamage,
		Cause: "a file of recorded pours is damaged; it was kept aside", Remedy: "keep the file and call support; check the storage",
		Evidence: "file, log, first and last seq, how many were rescued and which are lost, what was wrong", Raised: "a file fails its checksums at a start or the daily check", Cleared: "a person has noted it",
	},
	IntentDamaged: {
		ID: "intent_damaged", Severity: Warns, Scope: OfFile, Ends: Person, By: byRecover,
		Cause: "a pour was interrupted and what is known of it cannot be read", Remedy: "keep the state directory and call support",
		Evidence: "what was wrong", Raised: "a start finds an unreadable intent", Cleared: "a person has noted it",
	},
	ClockUntrusted: {
		ID: "clock_untrusted", Severity: Warns, Scope: OfUnit, Ends: Itself, By: byWatch,
		Cause: "the unit does not know the time for sure", Remedy: "connect the unit; check its clock's battery",
		Evidence: "the clock's quality and the last trusted time", Raised: "nothing has set the clock since the start, for 10 minutes; pours go on and say so in their records", Cleared: "the clock is set",
	},
	ConfigRefused: {
		ID: "config_refused", Severity: Warns, Scope: OfUnit, Ends: Itself, By: byWatch,
		Cause: "values that were set on this unit, or from the cloud, were left out", Remedy: "set a technician's again with fountainctl setup; have the cloud's corrected",
		Evidence: "which and why", Raised: "the technician's file is wrong at a start, or the config shadow holds something wrong", Cleared: "it is right at a start; a config shadow that is right is used",
	},

	// Cloud: pours never wait for it.
	NotProvisioned: {
		ID: "not_provisioned", Severity: Warns, Scope: OfUnit, Ends: Itself, By: byCloud,
		Cause: "the unit could not be claimed", Remedy: "see what the cloud said",
		Evidence: "where", Raised: "the cloud refuses the claim and a person has to act", Cleared: "the unit is claimed",
	},
	Decommissioned: {
		ID: "decommissioned", Severity: Blocks, Scope: OfUnit, Code: "decommissioned", Ends: Itself, By: byLeave,
		Cause: "the unit was taken out of service", Remedy: "fountainctl decommission --undo, once the cloud has released its serial",
		Evidence: "since when and by whom", Raised: "a technician or the cloud decommissions the unit", Cleared: "it is put into service again",
	},
	ThingDiffers: {
		ID: "thing_differs", Severity: Warns, Scope: OfUnit, Ends: Person, By: byCloud,
		Cause:    "the cloud gave this unit another name than its serial number makes",
		Remedy:   "pours made before the claim carry the old name and will be quarantined; correct the provisioning template",
		Evidence: "both names", Raised: "the identity names another thing", Cleared: "a person has corrected it; it comes back at a start if not",
	},
	CloudOffline: {
		ID: "cloud_offline", Severity: Warns, Scope: OfUnit, Ends: Itself, By: byWatch,
		Cause: "the unit has not reached the cloud for long", Remedy: "check the network; pours are kept meanwhile",
		Evidence: "since when, how many pours wait, the last error", Raised: "offline for 24 hours", Cleared: "online",
	},
	LedgerAhead: {
		ID: "uplink_ledger_ahead", Severity: Warns, Scope: OfUnit, Ends: Itself, By: byDrain,
		Cause: "the cloud acknowledges pours this unit never made", Remedy: "the state directory may be a copy: call support",
		Evidence: "log and marks", Raised: "the ledger is ahead of the log", Cleared: "it is not any more",
	},
	RecordRefused: {
		ID: "uplink_quarantine", Severity: Warns, Scope: OfUnit, Ends: Itself, By: byDrain,
		Cause: "the cloud refuses a recorded pour; it was set aside", Remedy: "send the diagnosis to support; fountainctl store quarantine shows it",
		Evidence: "log", Raised: "a record is set aside", Cleared: "none is any more: fountainctl store release",
	},
	RecordHangup: {
		ID: "uplink_record_hangup", Severity: Warns, Scope: OfUnit, Ends: Itself, By: byDrain,
		Cause: "the cloud hangs up on recorded pours", Remedy: "check the cloud's rule and policy",
		Evidence: "log", Raised: "connections end whichever record is sent", Cleared: "records are taken",
	},
	BeverageRecalled: {
		ID: "beverage_recalled", Severity: Blocks, Scope: OfBeverage, Code: CodeRecalled, Ends: Itself, By: byRecall,
		Cause: "{scope} was recalled", Remedy: "pour none of it; take its cartridges out as the recall says. Only who recalled it can allow it again, from the cloud",
		Evidence: "where the order came from", Raised: "the shadow recall names the beverage", Cleared: "the shadow says false or null; a restart, a time offline or an empty shadow do not",
	},
	IngredientRecalled: {
		ID: "ingredient_recalled", Severity: Blocks, Scope: OfIngredient, Code: CodeRecalled, Ends: Itself, By: byRecall,
		Cause: "{scope} was recalled", Remedy: "pour nothing of it; take its cartridges out as the recall says. Only who recalled it can allow it again, from the cloud",
		Evidence: "where the order came from", Raised: "the shadow recall names the ingredient", Cleared: "the shadow says false or null; a restart, a time offline or an empty shadow do not",
	},
}
