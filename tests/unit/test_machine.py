"""What this machine is called, where times are compared."""

import platform

import pytest

from mien.machine import name_in_cpuinfo, processor_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("cpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n", "AMD EPYC (family 26, model 2)"),
        ("cpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n", "AMD EPYC (family 25, model 1)"),
        (
            "cpu family : 6\nmodel : 85\nmodel name : Intel Xeon Processor (Skylake, IBRS)\n",
            "Intel Xeon Processor (Skylake, IBRS) (family 6, model 85)",
        ),
        ("cpu family\t: 25\nmodel\t\t: 97\nmodel name\t: AMD Ryzen 9 7950X\n", "AMD Ryzen 9 7950X"),
        ("model name\t: First 1\nmodel name\t: Second 2\n", "First 1"),
        ("model name\t: Nameless\n", "Nameless"),
        ("flags: a:b\n", ""),
        ("", ""),
    ],
)
def test_the_name_of_a_processor_tells_it_from_others(text, name):
    assert name_in_cpuinfo(text) == name


@pytest.mark.parametrize("machine", ["aarch64", "armv8l"])
def test_a_processor_without_a_name_is_told_by_its_numbers(machine, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    text = "processor\t: 0\nBogoMIPS\t: 243.75\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd0c\n"
    assert name_in_cpuinfo(text) == f"{machine} (implementer 0x41, part 0xd0c)"


def test_this_machine_has_a_name():
    assert processor_name()
