// SPDX-License-Identifier: Apache-2.0
// Plays a file of transfers into a valid/ready stream. In cycles that the stall pattern forbids it
// begins no transfer; one that it has begun to offer it holds until it is taken.
`default_nettype none

module replay_driver #(
    parameter WIDTH = 8,           // bits of a transfer
    parameter DEPTH = 1024,        // transfers that fit
    parameter ITEMS = "items.hex", // transfers, a hexadecimal line each
    parameter STALL = "stall.bin"  // 1,024 bits, a line each: 1 allows a transfer to begin
) (
    input  wire             clk_i,
    input  wire             rst_i,
    input  wire             reload_i,  // rising edge: read the files
    input  wire [31:0]      count_i,   // transfers of this run
    input  wire [9:0]       phase_i,   // place in the stall pattern

    output wire             valid_o,
    input  wire             ready_i,
    output wire [WIDTH-1:0] data_o
);

    reg [WIDTH-1:0] items [0:DEPTH-1];
    reg [0:0]       go [0:1023];
    reg [31:0]      index_q;
    reg             held_q;

    always @(posedge reload_i) begin
        if (count_i != 32'd0) $readmemh(ITEMS, items, 0, count_i - 1);
        $readmemb(STALL, go);
    end

    assign valid_o = (index_q < count_i) && (held_q || go[phase_i]);
    assign data_o  = items[index_q];

    always @(posedge clk_i) begin
        if (rst_i) begin
            index_q <= 32'd0;
            held_q  <= 1'b0;
        end else begin
            held_q <= valid_o && !ready_i;
            if (valid_o && ready_i) index_q <= index_q + 32'd1;
        end
    end

endmodule

`default_nettype wire
