// Drives the single-port memory: reads "address enable write word" of each cycle from stdin and prints
// the data after it.

#include <cstdint>
#include <cstdio>

#include "Dut.h"
#include "verilated.h"

int main() {
    Dut dut;
    unsigned address, enable, write, word;
    while (std::scanf("%u %u %u %u", &address, &enable, &write, &word) == 4) {
        dut.address = address;
        dut.enable = enable;
        dut.write = write;
        dut.word = word;
        dut.clk = 0;
        dut.eval();
        dut.clk = 1;
        dut.eval();
        std::printf("%u\n", dut.data);
    }
    return 0;
}
