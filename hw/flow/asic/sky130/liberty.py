"""The Liberty file of what was characterised (Liberty user guide, volume 1, chapters 5 and 11)."""

from collections.abc import Iterator, Mapping, Sequence

from hw.flow.asic.sky130.cells import PREFIX, Cell
from hw.flow.asic.sky130.characterise import (
    SLEWS,
    Characterised,
    Constraint,
    Delays,
    Table,
    loads_of,
)
from hw.flow.asic.sky130.circuit import CELSIUS, VOLTS

__all__ = ["NAME", "liberty"]

NAME = "sky130_stdcells"
_HEADER = """\
/* Our own characterisation, before layout, of cells of sky130_fd_sc_hd: their layouts and the
   foundry's transistor models, simulated with ngspice. No file of the foundry's. */
library ({name}) {{
  technology (cmos);
  delay_model : table_lookup;
  time_unit : "1ns";
  voltage_unit : "1V";
  current_unit : "1mA";
  pulling_resistance_unit : "1kohm";
  leakage_power_unit : "1nW";
  capacitive_load_unit (1, pf);
  nom_process : 1.0;
  nom_voltage : {volts};
  nom_temperature : {celsius};
  input_threshold_pct_rise : 50;
  input_threshold_pct_fall : 50;
  output_threshold_pct_rise : 50;
  output_threshold_pct_fall : 50;
  slew_lower_threshold_pct_rise : 20;
  slew_lower_threshold_pct_fall : 20;
  slew_upper_threshold_pct_rise : 80;
  slew_upper_threshold_pct_fall : 80;
  slew_derate_from_library : 1.0;
  lu_table_template (delay) {{
    variable_1 : input_net_transition;
    variable_2 : total_output_net_capacitance;
    index_1 ("{slews}");
    index_2 ("1, 2, 3, 4");
  }}
  lu_table_template (constraint) {{
    variable_1 : related_pin_transition;
    variable_2 : constrained_pin_transition;
    index_1 ("1, 2, 3");
    index_2 ("1, 2, 3");
  }}
"""


def liberty(cells: Sequence[tuple[Cell, Characterised]], areas: Mapping[str, float]) -> str:
    """The file's text.

    Parameters
    ----------
    areas : mapping of str to float
        In µm², by the cells' full names.
    """
    lines = [_HEADER.format(name=NAME, volts=VOLTS, celsius=CELSIUS, slews=_listed(SLEWS)).rstrip()]
    for cell, found in cells:
        lines += [
            f"  cell ({PREFIX}{cell.name}) {{",
            f"    area : {areas[PREFIX + cell.name]:g};",
            *(f"    {line}" for line in _body(cell, found)),
            "  }",
        ]
    return "\n".join([*lines, "}", ""])


def _body(cell: Cell, found: Characterised) -> Iterator[str]:
    if cell.is_flip_flop:
        yield 'ff (IQ, IQN) { clocked_on : "CLK"; next_state : "D"; }'
    for pin in cell.inputs:
        yield f"pin ({pin}) {{"
        yield "  direction : input;"
        yield f"  capacitance : {found.capacitances[pin] / 1000:.6f};"
        if pin == "CLK":
            yield "  clock : true;"
        if pin == "D":
            for constraint in found.constraints:
                yield from _constraint(constraint)
        yield "}"
    for pin in cell.outputs:
        yield f"pin ({pin}) {{"
        yield "  direction : output;"
        yield f'  function : "{cell.functions.get(pin, "IQ")}";'
        yield f"  max_capacitance : {loads_of(cell)[-1] / 1000:g};"
        for each in found.delays:
            if each.output == pin:
                yield from _timing(cell, each)
        yield "}"


def _timing(cell: Cell, found: Delays) -> Iterator[str]:
    sense = "positive_unate" if found.rising else "negative_unate"
    if cell.is_flip_flop:
        kind, sense = "rising_edge", "non_unate"
    else:
        kind = "combinational"
    yield "  timing () {"
    yield f'    related_pin : "{found.pin}";'
    yield f"    timing_type : {kind};"
    yield f"    timing_sense : {sense};"
    loads = _listed([load / 1000 for load in loads_of(cell)])
    for name, table in (
        ("cell_rise", found.rise),
        ("cell_fall", found.fall),
        ("rise_transition", found.rise_transition),
        ("fall_transition", found.fall_transition),
    ):
        yield f"    {name} (delay) {{"
        yield f'      index_2 ("{loads}");'
        yield f"      values ({_rows(table)});"
        yield "    }"
    yield "  }"


def _constraint(found: Constraint) -> Iterator[str]:
    yield "  timing () {"
    yield '    related_pin : "CLK";'
    yield f"    timing_type : {found.kind}_rising;"
    for name, table in (("rise_constraint", found.rise), ("fall_constraint", found.fall)):
        yield f"    {name} (constraint) {{"
        yield f'      index_1 ("{_listed(found.slews)}");'
        yield f'      index_2 ("{_listed(found.slews)}");'
        yield f"      values ({_rows(table)});"
        yield "    }"
    yield "  }"


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.6g}" for value in values)


def _rows(table: Table) -> str:
    return ", ".join(f'"{_listed(row)}"' for row in table)
