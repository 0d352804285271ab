"""From raw figures to ratios, bars, report and picture."""
